"""From the logits at the six labels to a judgement. Pure functions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.bundle import Calibration
from schemas.prompt import SLOTS
from schemas.rationale import ATTRIBUTES, VERDICTS, AttributeVerdict
from worker.student.judge import Judgement

FloatArray = npt.NDArray[np.float32]

LOGIT_DECIMALS = 4
"""fp32 kernels of different machines differ by some 1e-5 here; no threshold is known to better than 1e-2."""

PROBABILITY_DECIMALS = 9
"""Hides the last bits, in which the exp of two C libraries may differ."""


def choice_logits(logits: FloatArray, choices: tuple[tuple[int, ...], ...]) -> list[list[float]]:
    """The rounded logits of each slot's choices.

    Args:
        logits: [slots, vocabulary].
        choices: token ids of each slot's choices.
    """
    return [
        [round(float(value), LOGIT_DECIMALS) for value in logits[slot, list(ids)]] for slot, ids in enumerate(choices)
    ]


def softmax(values: list[float]) -> list[float]:
    """Softmax in double precision, rounded to `PROBABILITY_DECIMALS`."""
    shifted = np.exp(np.asarray(values, dtype=np.float64) - max(values))
    return [round(float(value), PROBABILITY_DECIMALS) for value in shifted / shifted.sum()]


def attribute_verdict(values: list[float]) -> AttributeVerdict:
    """The verdict of one attribute slot from its logits in the order of `VERDICTS`; a tie goes to the first."""
    shares = softmax(values)
    best = max(range(len(shares)), key=shares.__getitem__)
    same, different, unknown = shares
    return AttributeVerdict(
        verdict=VERDICTS[best], probability=shares[best], p_same=same, p_different=different, p_unknown=unknown
    )


def judgement(values: list[list[float]], calibration: Calibration) -> Judgement:
    """A judgement from the choice logits of all slots, in the order of `SLOTS` (the answer is the last).

    probability = sigmoid(a * (l_same - l_different) + b), Platt 1999.
    """
    named = {slot.name: logits for slot, logits in zip(SLOTS, values, strict=True)}
    same, different = named["answer"]
    logit = round(same - different, LOGIT_DECIMALS)
    return Judgement(
        logit=logit,
        probability=round(calibration.apply(logit), PROBABILITY_DECIMALS),
        attributes={name: attribute_verdict(named[name]) for name in ATTRIBUTES},
    )
