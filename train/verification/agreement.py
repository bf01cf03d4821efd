"""Agreement between reviewers beyond chance: Cohen's kappa of each two, Fleiss' kappa of all. Pure.

The coefficients are statsmodels' (Cohen 1960, Educational and Psychological Measurement 20; Fleiss 1971, Psychological
Bulletin 76); the intervals are percentile bootstrap over items, for which the same formulas run along an axis. Where
all reviewers use one category only, chance agreement is 1 and kappa is 0/0: that is said, not turned into a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from schemas.rationale import ATTRIBUTES
from train.evaluation.metrics import CONFIDENCE, RESAMPLES, Floats
from train.verification.records import Check

ONE_CATEGORY = "undefined: one category only, so that chance alone would agree"
TOO_FEW = "undefined: fewer than two items that both judged"
# Resamples at once: bounds the memory that thousands of items take.
BATCH = 200
Numbers = npt.NDArray[Any]
Ratings = Mapping[str, Mapping[str, str]]
"""{item: {reviewer: category}}"""


@dataclass(frozen=True)
class Kappa:
    """A coefficient, -1 to 1, with its 95% interval.

    ``value`` is None where it is undefined, and ``note`` says why. ``observed`` is the plain share of agreement.
    ``lost`` is the share of bootstrap resamples in which kappa was undefined; the interval is of the others.
    """

    items: int
    observed: float | None
    value: float | None
    low: float | None = None
    high: float | None = None
    lost: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Agreement:
    """Agreement about one question: Cohen's kappa of each pair of reviewers, Fleiss' of all.

    Fleiss' needs the same number of ratings for each item: it is of the items with ``raters`` ratings, the number
    that most items have; ``left_out`` items have at least two, but another number.
    """

    cohen: dict[tuple[str, str], Kappa]
    fleiss: Kappa
    raters: int
    left_out: int


def cohen(first: Sequence[str], second: Sequence[str], seed: int = 0) -> Kappa:
    """Cohen's kappa of two reviewers' categories for the same items, both [items]."""
    if len(first) < 2:
        return Kappa(len(first), None, None, note=TOO_FEW)
    names = {name: number for number, name in enumerate(sorted({*first, *second}))}
    table = np.zeros((len(names), len(names)), dtype=np.int64)
    for a, b in zip(first, second, strict=True):
        table[names[a], names[b]] += 1
    size, observed = len(first), float(np.trace(table)) / len(first)
    if len(names) == 1:
        return Kappa(size, observed, None, note=ONE_CATEGORY)
    # Resampling items is resampling the cells of their table.
    resampled = np.random.default_rng(seed).multinomial(size, table.ravel() / size, RESAMPLES)
    values = cohen_along(resampled.reshape(-1, *table.shape))
    return _interval(size, observed, float(cohens_kappa(table, return_results=False)), values)


def fleiss(counts: Sequence[Sequence[int]], seed: int = 0) -> Kappa:
    """Fleiss' kappa of [items, categories] counts of ratings, the same number of ratings (two or more) each."""
    table = np.asarray(counts, dtype=np.int64)
    if len(table) < 2:
        return Kappa(len(table), None, None, note=TOO_FEW)
    raters = int(table[0].sum())
    observed = float(((table**2).sum(1) - raters).mean() / (raters * (raters - 1)))
    if (table.sum(0) > 0).sum() == 1:
        return Kappa(len(table), observed, None, note=ONE_CATEGORY)
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(table), size=(BATCH, len(table))) for _ in range(RESAMPLES // BATCH))
    values = np.concatenate([fleiss_along(table[rows]) for rows in drawn])
    return _interval(len(table), observed, float(fleiss_kappa(table)), values)


def cohen_along(tables: Numbers) -> Floats:
    """[...] of [..., categories, categories]: the library's coefficient of many tables at once; NaN where undefined."""
    size = tables.sum((-2, -1))
    observed = np.trace(tables, axis1=-2, axis2=-1) / size
    return _beyond_chance(observed, (tables.sum(-1) * tables.sum(-2)).sum(-1) / size**2)


def fleiss_along(counts: Numbers) -> Floats:
    """[...] of [..., items, categories]: the library's coefficient of many samples at once; NaN where undefined."""
    raters = counts[..., 0, :].sum(-1)
    observed = ((counts**2).sum(-1).mean(-1) - raters) / (raters * (raters - 1))
    shares = counts.sum(-2) / (raters * counts.shape[-2])[..., None]
    return _beyond_chance(observed, (shares**2).sum(-1))


def _beyond_chance(observed: Floats, chance: Floats) -> Floats:
    undefined = np.full(np.shape(chance), np.nan)
    return np.asarray(np.divide(observed - chance, 1 - chance, out=undefined, where=chance < 1 - 1e-12))


def _interval(items: int, observed: float, value: float, resampled: Floats) -> Kappa:
    known = resampled[np.isfinite(resampled)]
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(known, [tail, 100 - tail]) if len(known) else (None, None)
    lost = 1 - len(known) / len(resampled)
    note = f"{lost:.0%} of the resamples were undefined and are not in the interval" if lost > 0 else ""
    return Kappa(
        items, observed, value, None if low is None else float(low), None if high is None else float(high), lost, note
    )


def agreement(ratings: Ratings) -> Agreement:
    """Agreement about one question, from what each reviewer said of each item. Items of one reviewer tell nothing."""
    shared = {item: votes for item, votes in ratings.items() if len(votes) > 1}
    reviewers = sorted({reviewer for votes in shared.values() for reviewer in votes})
    by_two = {}
    for first, second in combinations(reviewers, 2):
        both = [(votes[first], votes[second]) for votes in shared.values() if first in votes and second in votes]
        if both:
            by_two[first, second] = cohen([a for a, _ in both], [b for _, b in both])
    numbers = Counter(len(votes) for votes in shared.values())
    raters = max(numbers, key=lambda number: (numbers[number], number), default=0)
    used = [Counter(votes.values()) for votes in shared.values() if len(votes) == raters]
    categories = sorted({category for votes in used for category in votes})
    all_of_them = fleiss([[votes[category] for category in categories] for votes in used])
    return Agreement(by_two, all_of_them, raters, len(shared) - len(used))


def agreement_of(checks: Sequence[Check]) -> dict[str, Agreement]:
    """Agreement about the answer and about each attribute that at least one item has two judgements of."""
    questions: dict[str, dict[str, dict[str, str]]] = {name: {} for name in ("answer", *ATTRIBUTES)}
    for check in checks:
        questions["answer"].setdefault(check.task_id, {})[check.reviewer] = check.verdict
        for name, verdict in check.attributes.items():
            questions[name].setdefault(check.task_id, {})[check.reviewer] = verdict
    return {
        name: agreement(ratings)
        for name, ratings in questions.items()
        if name == "answer" or any(len(votes) > 1 for votes in ratings.values())
    }
