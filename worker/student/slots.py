"""From the logits at the six labels to a judgement. Pure functions."""

from __future__ import annotations

from typing import Literal

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


def answer_logit(values: list[list[float]]) -> float:
    """l(" same") - l(" different") of the answer, which is the last slot, rounded."""
    same, different = values[-1]
    return round(same - different, LOGIT_DECIMALS)


def mean_logits(one: list[list[float]], other: list[list[float]]) -> list[list[float]]:
    """The mean of both orders' choice logits, slot by slot; exchanging the arguments changes no bit of it."""
    return [[(x + y) / 2 for x, y in zip(*slots, strict=True)] for slots in zip(one, other, strict=True)]


def judgement(values: list[list[float]], calibration: Calibration, orders: Literal[1, 2] = 1) -> Judgement:
    """A judgement from the choice logits of all slots, in the order of `SLOTS` (the answer is the last).

    `orders` says in how many orders the pair was judged to get them.
    probability = sigmoid(a * (l_same - l_different) + b), Platt 1999.
    """
    named = {slot.name: logits for slot, logits in zip(SLOTS, values, strict=True)}
    logit = answer_logit(values)
    return Judgement(
        logit=logit,
        probability=round(calibration.apply(logit), PROBABILITY_DECIMALS),
        attributes={name: attribute_verdict(named[name]) for name in ATTRIBUTES},
        orders=orders,
    )
