"""Production precision and recall from decisions that were drawn with known, unequal chances. Pure.

The design is Poisson sampling: decision i is drawn by a hash of its own, with chance pi_i, independently of all others
(`worker.labeling.chances`). With weights w = 1 / pi

* a total is estimated without bias by ``sum(w)`` over what was drawn of it (Horvitz and Thompson 1952, JASA 47), its
  variance by ``sum((1 - pi) w^2) = sum(w (w - 1))`` (Saerndal, Swensson and Wretman 1992, Model Assisted Survey
  Sampling, 2.8);
* a share ``good / (good + bad)`` by the ratio of two such totals (Hajek 1971): precision with good = right matches and
  bad = wrong ones, recall with good = right matches and bad = missed ones.

**Why no Wald interval.** Errors are few and their weights unequal: where the heavy decisions drawn show no error by
chance, their part of the variance is estimated as 0. So each total gets the gamma interval for a weighted sum of rare
events (Fay and Feuer 1997, Statistics in Medicine 16, 791-801), with the variance of Poisson sampling in the place of
theirs: at the upper end one more event is supposed to be there, of the greatest weight that the design has. For equal
weights and pi near 0 it is the exact interval of a Poisson count. Two such intervals become that of their ratio by the
recovery of variances (MOVER-R: Donner and Zou 2012, Statistical Methods in Medical Research 21, 347-359, eq. 9); the
totals are of different decisions, so that they are independent. `benchmarks.labeling` measures what it covers.

**What this recall cannot see**: a match that blocking never named was never judged, so it is in no total here. It is
the recall among judged pairs; blocking's own is measured on labelled sets (`docs/benchmarks.md`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import gamma

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A point estimate between its bounds; NaN where nothing was seen."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Drawn:
    """One decision that was drawn, and what is known of it."""

    predicted: bool
    """Whether its verdict is match."""
    truth: bool | None
    """Whether its label says match; None while nobody has answered."""
    inclusion: float
    least: float
    """The least chance that any decision had at that moment: the uniform one."""
    uniform: bool
    """Whether the uniform share alone would have drawn it."""


@dataclass(frozen=True)
class Quality:
    """Estimates over all decisions of a period, from those that were drawn."""

    precision: Interval
    recall: Interval
    """Among judged pairs; reviews count as not found."""
    found: Interval
    """Matches that were published as such and are: a total."""
    wrong: Interval
    """Published matches that are none."""
    missed: Interval
    """Judged pairs that match and were not published as matches."""
    drawn: int
    answered: int
    f1: Interval = Interval(math.nan, 0.0, 1.0)
    """Of precision and recall: the share of right matches in right matches and half of all errors."""
    precision_ht: float | None = None
    """Horvitz-Thompson with the known number of published matches; it may leave 0 to 1 by chance."""


def total(weights: npt.ArrayLike, heaviest: float, confidence: float = CONFIDENCE) -> Interval:
    """How many events there are in all, from the weights [events] of those that were drawn.

    `heaviest` is the greatest weight that an event could have had, at least 1. Raises ValueError for weights below 1.
    """
    w = np.asarray(weights, dtype=np.float64)
    if heaviest < 1 or (w < 1).any():
        raise ValueError("a weight is 1 / chance, so at least 1")
    heaviest = max(heaviest, float(w.max(initial=1.0)))
    tail = (1 - confidence) / 2
    value, variance = float(w.sum()), float((w * (w - 1)).sum())
    more, spread = value + heaviest, variance + heaviest * (heaviest - 1)
    # At least what was seen is there, whatever the weights say.
    low = max(_gamma(tail, value, variance), float(len(w)))
    high = value if heaviest == 1 else _gamma(1 - tail, more, spread)
    return Interval(value, min(low, value), max(high, value))


def _gamma(quantile: float, mean: float, variance: float) -> float:
    if mean == 0 or variance == 0:
        return mean
    return float(gamma.ppf(quantile, mean**2 / variance, scale=variance / mean))


def share(good: npt.ArrayLike, bad: npt.ArrayLike, heaviest: float, confidence: float = CONFIDENCE) -> Interval:
    """``good / (good + bad)`` from the weights of those that were drawn of either."""
    return ratio(total(good, heaviest, confidence), total(bad, heaviest, confidence))


def ratio(good: Interval, bad: Interval) -> Interval:
    """The share of `good` in both, from the intervals of two independent totals (MOVER-R)."""
    if good.value + bad.value == 0:
        return Interval(math.nan, 0.0, 1.0)
    if bad.value > good.value:
        # The odds of the rarer over the commoner: its denominator is then well away from 0.
        low, high = _odds(good, bad)
        value = good.value / (good.value + bad.value)
        return Interval(value, low / (1 + low), 1.0 if math.isinf(high) else high / (1 + high))
    low, high = _odds(bad, good)
    value = good.value / (good.value + bad.value)
    return Interval(value, 0.0 if math.isinf(high) else 1 / (1 + high), 1 / (1 + low))


def _odds(top: Interval, bottom: Interval) -> tuple[float, float]:
    """Bounds of ``top / bottom``; `bottom` is above 0."""
    product = top.value * bottom.value

    def bound(upper: bool) -> float:
        end, other = (top.high, bottom.low) if upper else (top.low, bottom.high)
        divisor = other * (2 * bottom.value - other)
        if divisor <= 0:
            # The denominator may be (nearly) nothing, or twice its estimate: no bound from the recovery of variances.
            return math.inf if upper else 0.0
        root = math.sqrt(max(0.0, product**2 - end * other * (2 * top.value - end) * (2 * bottom.value - other)))
        return max(0.0, (product + (root if upper else -root)) / divisor)

    return bound(upper=False), bound(upper=True)


def quality(drawn: Sequence[Drawn], matches: int | None = None, confidence: float = CONFIDENCE) -> Quality:
    """Precision and recall of the decisions that `drawn` was drawn from; `matches` is how many were published.

    Those without an answer are stood for by the answered ones of their class (verdict, and whether the uniform share
    drew them), as weighting classes do (Little and Rubin 2002, Statistical Analysis with Missing Data, 3.3): right if
    within a class it does not depend on the truth who answers. Where a class was drawn but has no answer at all,
    nothing is known of it: the bounds are 0 and 1.
    """
    answered = [each for each in drawn if each.truth is not None]
    factors = _factors(drawn)
    weight = {id(each): factors[each.predicted, each.uniform] / each.inclusion for each in answered}
    # Of what was not drawn, too: the least chance that there was, with the factor of its class.
    largest = max((factor for factor in factors.values() if math.isfinite(factor)), default=1.0)
    heaviest = largest * max((1 / each.least for each in drawn), default=1.0)

    def weights(predicted: bool, truth: bool) -> Floats:
        return np.array(
            [weight[id(each)] for each in answered if (each.predicted, each.truth) == (predicted, truth)], np.float64
        )

    right, false, lost = (weights(*kind) for kind in ((True, True), (True, False), (False, True)))
    found, wrong, missed = (total(each, heaviest, confidence) for each in (right, false, lost))
    errors = total(np.concatenate([false, lost]), heaviest, confidence)
    halved = Interval(errors.value / 2, errors.low / 2, errors.high / 2)
    silent = {predicted for (predicted, _), factor in factors.items() if math.isinf(factor)}
    nothing = Interval(math.nan, 0.0, 1.0)
    wrong_share = sum(
        1 / each.inclusion * factors[True, each.uniform] for each in answered if each.predicted and not each.truth
    )
    return Quality(
        precision=nothing if True in silent else ratio(found, wrong),
        recall=nothing if silent else ratio(found, missed),
        f1=nothing if silent else ratio(found, halved),
        found=found, wrong=wrong, missed=missed, drawn=len(drawn), answered=len(answered),
        precision_ht=None if not matches or True in silent else 1 - wrong_share / matches,
    )  # fmt: skip


def _factors(drawn: Sequence[Drawn]) -> dict[tuple[bool, bool], float]:
    """What the answered weights of a class are multiplied with, so that they stand for all that was drawn of it."""
    asked: dict[tuple[bool, bool], float] = {}
    told: dict[tuple[bool, bool], float] = {}
    for each in drawn:
        kind = each.predicted, each.uniform
        asked[kind] = asked.get(kind, 0.0) + 1 / each.inclusion
        if each.truth is not None:
            told[kind] = told.get(kind, 0.0) + 1 / each.inclusion
    return {kind: weight / told[kind] if told.get(kind) else math.inf for kind, weight in asked.items()}
