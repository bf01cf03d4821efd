"""What a rationale earns in reinforcement learning. Pure functions: rules here, the judges' scores are given.

Terms, each returned by itself: *form* (1 where the rationale has the form and does not contradict itself), *label* (1
where the answer is right), *judges* (the judges' mean probability that the verdicts are right) and *length* (0, or
negative past the cap). Judges are credited only where form and label are right ("gating"): a judge is a model, and
what pleases a model while the answer is wrong is not to be learnt. The answer's own probability is rewarded apart, by a
proper score: a 0/1 reward alone makes a student overconfident (RLCR, arXiv 2507.16806).

Not here: where scores come from (`train.rl.judging`), and the expectation over a policy (`train.rl.policy`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from schemas.grammar import Frame, is_grounded
from schemas.identifiers import normalise_code
from schemas.rationale import ANSWERS, ATTRIBUTES, VERDICTS, Attribute

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SAME, DIFFERENT = ANSWERS.index("same"), VERDICTS.index("different")
OUTCOMES: Ints = np.array(
    list(itertools.product(*[range(len(VERDICTS))] * len(ATTRIBUTES), range(len(ANSWERS)))), dtype=np.int64
)
"""[486, 6]: every outcome of the parallel slots, as the choice of each attribute and of the answer."""

CONSISTENT: Bools = ~((OUTCOMES[:, -1] == SAME) & (OUTCOMES[:, :-1] == DIFFERENT).any(axis=1))
"""[486]: whether an outcome keeps to the rule that a match has no ``different`` attribute."""


class RewardConfig(BaseModel):
    """The weights of the terms, and how they act together.

    Attributes:
        gating: judges are credited only where form and label are right; off for the ablation and the demonstration.
        proper_score: of the answer's marginal probability p of a match with label y: ``brier`` is 1 - (p - y)^2,
            ``log`` is 1 + log p(y). Both are 1 at best.
        length_cap: characters of both quotes together that cost nothing; each further cap's worth costs ``length``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: float = Field(default=0.5, ge=0)
    label: float = Field(default=1.0, ge=0)
    judges: float = Field(default=1.0, ge=0)
    proper: float = Field(default=1.0, ge=0)
    length: float = Field(default=0.5, ge=0)
    gating: bool = True
    proper_score: Literal["brier", "log"] = "brier"
    length_cap: int = Field(default=80, ge=1)


@dataclass(frozen=True)
class Terms:
    """The terms of some rationales: arrays of one shape, or of shapes that numpy broadcasts to one."""

    form: Floats
    label: Floats
    judges: Floats
    length: Floats

    def named(self) -> dict[str, Floats]:
        return {"form": self.form, "label": self.label, "judges": self.judges, "length": self.length}


def total(terms: Terms, config: RewardConfig) -> Floats:
    """The weighted sum of the terms, without the proper score, which belongs to a probability and not to a text."""
    credited = terms.judges * terms.form * terms.label if config.gating else terms.judges
    return np.asarray(
        config.form * terms.form + config.label * terms.label + config.judges * credited + config.length * terms.length,
        dtype=np.float64,
    )


def brier_score(p: Any, labels: Any) -> Any:
    """1 - (p - y)^2, of numpy arrays or torch tensors of one shape."""
    return 1 - (p - labels) ** 2


def judge_credit(scored: Sequence[tuple[Sequence[Attribute], Floats]], pairs: int) -> Floats:
    """[pairs, 5, 3]: what each verdict adds to the mean over judges of the mean over their attributes.

    Two judges may judge the same attribute; one that none judges adds nothing. The credit of an outcome is the sum over
    its verdicts, between 0 and 1.

    Args:
        scored: of each judge its attributes, and for these its scores [pairs, attributes, 3].
        pairs: how many there are.

    Raises:
        ValueError: a judge has no attribute.
    """
    credit = np.zeros((pairs, len(ATTRIBUTES), len(VERDICTS)))
    for attributes, scores in scored:
        if not attributes:
            raise ValueError("a judge must judge at least one attribute")
        for place, name in enumerate(attributes):
            credit[:, ATTRIBUTES.index(name)] += scores[:, place] / (len(attributes) * len(scored))
    return credit


def outcome_terms(labels: Ints, credit: Floats) -> Terms:
    """The terms of all outcomes of the parallel slots.

    Args:
        labels: [pairs], 1 for a match.
        credit: [pairs, 5, 3], of :func:`judge_credit`.

    Returns:
        Terms that broadcast to [pairs, 486], in the order of ``OUTCOMES``.
    """
    answers = (OUTCOMES[:, -1] == SAME).astype(np.int64)
    slots = np.arange(len(ATTRIBUTES))
    return Terms(
        form=CONSISTENT[None].astype(np.float64),
        label=(answers[None] == np.asarray(labels)[:, None]).astype(np.float64),
        judges=np.asarray(credit[:, slots, OUTCOMES[:, :-1]].sum(axis=-1), dtype=np.float64),
        length=np.zeros((1, 1)),
    )


@dataclass(frozen=True)
class Quotes:
    """What a sentence quotes of A and of B."""

    a: str
    b: str


def quotes_of(text: str, frame: Frame, listings: tuple[str, str]) -> Quotes | None:
    """The quotes of a sentence of exactly this frame, or None where it has another form or quotes what is not there.

    A sentence has the form when it is the frame with two quotes that the serving grammar admits (so neither is empty)
    and, where it says that an attribute differs, does not quote the same of both.
    """
    before, between, after = frame.before, frame.between, frame.after.strip()
    if not text.startswith(before) or not text.endswith(after) or len(text) < len(before) + len(between) + len(after):
        return None
    inside = text[len(before) : len(text) - len(after)]
    place = inside.find(between)
    while place != -1:
        found = Quotes(inside[:place], inside[place + len(between) :])
        if is_grounded(listings[0], found.a) and is_grounded(listings[1], found.b):
            told_apart = normalise_code(found.a) != normalise_code(found.b)
            return found if told_apart or before.startswith("The same") else None
        place = inside.find(between, place + 1)
    return None


def excess(quotes: Quotes, cap: int) -> float:
    """How far both quotes together are past the cap, in caps: 0 within it."""
    return max(0, len(quotes.a) + len(quotes.b) - cap) / cap


def sentence_terms(quotes: Quotes | None, right: bool, judged: float, config: RewardConfig) -> Terms:
    """The terms of one sentence.

    Args:
        quotes: of :func:`quotes_of`.
        right: whether the answer that its frame states is the pair's label.
        judged: the judges' probability that the claim which it makes is right; not used without form.
    """
    formed = float(quotes is not None)
    return Terms(
        form=np.array(formed),
        # A text without form states no answer.
        label=np.array(formed * float(right)),
        judges=np.array(judged if quotes is not None else 0.0),
        length=np.array(-excess(quotes, config.length_cap) if quotes is not None else 0.0),
    )


def choice_terms(choices: Sequence[int | None], label: int, credit: Floats) -> Terms:
    """The terms of verdicts that were written one after another: ``None`` where no choice of the slot was written.

    Args:
        choices: [6].
        label: 1 for a match.
        credit: [5, 3], of :func:`judge_credit`.
    """
    given = [choice for choice in choices if choice is not None]
    if len(given) != len(ATTRIBUTES) + 1:
        return Terms(*(np.array(0.0) for _ in range(4)))
    of_all = outcome_terms(np.array([label]), credit[None])
    place = int((np.array(given) == OUTCOMES).all(axis=1).argmax())
    shape = 1, len(OUTCOMES)
    return Terms(**{name: np.broadcast_to(values, shape)[0, place] for name, values in of_all.named().items()})


def logged(terms: Mapping[str, Floats], config: RewardConfig) -> dict[str, float]:
    """Means of named terms, and of the reward that they give, for a log."""
    means = {f"reward_{name}": float(np.mean(values)) for name, values in terms.items()}
    return {**means, "reward": float(np.mean(total(Terms(**terms), config)))}
