"""Which claims are alike for planning: strata by ambiguity, source, value and change rate. Pure.

A factor that no claim states drops out. Levels are cut at quantiles of what is stated, so that they need no unit:
the top fifth is ``high``, the fifth to the half ``mid``. Strata that would be too small to say anything are merged with
their neighbours, the last factor first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from train.evaluation.metrics import Floats
from train.verification.records import Claim

Level = Literal["low", "mid", "high", "unknown"]

HIGH_FROM, MID_FROM = 0.8, 0.5
# Two levels up means four times the pull on the targeted share; what is not stated may be anything: the middle.
LEVEL_WEIGHT: dict[str, float] = {"low": 1.0, "mid": 2.0, "high": 4.0, "unknown": 2.0}
ANY = "*"


@dataclass(frozen=True)
class Strata:
    """The stratum of each claim, as a name like ``ambiguity=high|source=abt|value=low|change=*``, and its weight."""

    names: tuple[str, ...]
    of_claim: np.ndarray[tuple[int], np.dtype[np.int64]]
    """[claims], index into ``names``."""
    sizes: np.ndarray[tuple[int], np.dtype[np.int64]]
    """[strata], claims in each."""
    weights: Floats
    """[strata], mean over its claims of the product of their levels' weights."""


def ambiguity(claim: Claim) -> float:
    """How doubtful a claim is, 0 to 1; NaN where nothing tells.

    The largest of: the teacher's doubt about its own answer, the student's doubt (1 at a probability of 0.5), and the
    probability that the student gives to the answer that the teacher denies.
    """
    doubts = []
    if claim.confidence is not None:
        doubts.append(_doubt(claim.confidence))
    if claim.student_probability is not None:
        doubts.append(_doubt(claim.student_probability))
        if claim.answer is not None:
            against = 1 - claim.student_probability if claim.answer == "same" else claim.student_probability
            doubts.append(against)
    return max(doubts, default=float("nan"))


def _doubt(probability: float) -> float:
    return 1 - abs(2 * min(max(probability, 0.0), 1.0) - 1)


def values(claims: Sequence[Claim]) -> Floats:
    """[claims]: price x traffic; the price alone where no claim of the set states traffic; NaN where unknown."""
    with_traffic = any(claim.traffic is not None for claim in claims)
    found = np.full(len(claims), np.nan)
    for number, claim in enumerate(claims):
        if claim.price is not None and (claim.traffic is not None or not with_traffic):
            found[number] = claim.price * (claim.traffic if claim.traffic is not None else 1.0)
    return found


def levels(numbers: Floats) -> list[Level]:
    """[claims]: the level of each number among those that are known."""
    known = np.isfinite(numbers)
    if not known.any():
        return ["unknown"] * len(numbers)
    mid, high = np.quantile(numbers[known], [MID_FROM, HIGH_FROM])
    return [
        "unknown" if not stated else "high" if number > high else "mid" if number > mid else "low"
        for number, stated in zip(numbers, known, strict=True)
    ]


def stratify(claims: Sequence[Claim], minimum: int, most: int) -> Strata:
    """Strata of at least ``minimum`` claims each where the set allows it, and at most ``most`` of them."""
    changes = np.array([np.nan if claim.change_rate is None else claim.change_rate for claim in claims])
    factors: dict[str, Sequence[str]] = {
        "ambiguity": levels(np.array([ambiguity(claim) for claim in claims])),
        "source": [claim.source for claim in claims],
        "value": levels(values(claims)),
        "change": levels(changes),
    }
    stated = {name: column for name, column in factors.items() if name == "source" or set(column) != {"unknown"}}
    rows = list(zip(*stated.values(), strict=True))
    merged = merge(rows, minimum)
    while len(set(merged)) > max(1, most):
        minimum *= 2
        merged = merge(rows, minimum)
    weights = np.ones(len(claims))
    for name in stated.keys() - {"source"}:
        weights *= [LEVEL_WEIGHT[level] for level in stated[name]]
    labels = ["|".join(f"{name}={value}" for name, value in zip(stated, row, strict=True)) for row in merged]
    names = sorted(set(labels))
    place = {name: number for number, name in enumerate(names)}
    of_claim = np.array([place[label] for label in labels], dtype=np.int64)
    sizes = np.bincount(of_claim, minlength=len(names))
    return Strata(tuple(names), of_claim, sizes, np.bincount(of_claim, weights, len(names)) / sizes)


def merge(rows: Sequence[tuple[str, ...]], minimum: int) -> list[tuple[str, ...]]:
    """Cells of fewer than ``minimum`` rows lose their last factor, again and again, until they are large enough.

    A cell that has lost all its factors stays as it is, however small: there is nothing left to merge it with.
    """
    merged = list(rows)
    depth = len(rows[0]) if rows else 0
    for place in reversed(range(depth)):
        counted = Counter(merged)
        merged = [
            (*row[:place], ANY, *row[place + 1 :]) if counted[row] < minimum else row  # what follows is ANY already
            for row in merged
        ]
    return merged
