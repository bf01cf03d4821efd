"""The error rate of a teacher's set from checks drawn with known, unequal probabilities, and its interval. Pure.

The point is the stratified (Horvitz-Thompson, given how many of each stratum were checked) estimate; of a part of the
set, its ratio form (Hájek). The interval is Clopper and Pearson's for an effective sample size, as Korn and Graubard
(1998, Survey Methodology 24, 193-201) have it, with one more caution. Their effective size ``p (1 - p) / var(p)`` is
itself estimated: where errors are rare and weights unequal, a stratum of great weight often shows no error at all, its
variance is then estimated as 0, and the interval covers the truth in as few as 3 of 10 samples
(`benchmarks.verification` has the table). So the effective size is never taken to be larger than Kish's
``(sum w)^2 / sum w^2`` (1965, Survey Sampling, 11.7), which rests on the weights alone. The price is width.

All functions take leading axes [..., strata], so that many samples are estimated at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student_t
from statsmodels.stats.proportion import proportion_confint

from train.evaluation.metrics import CONFIDENCE, Bools, Floats

Numbers = npt.NDArray[Any]


@dataclass(frozen=True)
class Rates:
    """Estimated rates [...], 0 to 1, each with its two-sided interval and its one-sided bounds at the same confidence.

    Where no checked claim belongs to the part that is asked about, ``rate`` is NaN and the bounds are 0 and 1.
    ``effective`` is the size of the simple random sample that would say as much. ``uncovered`` is the share of claims
    in strata without a check: the bounds hold whatever is true of them, the rate speaks of the others.
    """

    rate: Floats
    low: Floats
    high: Floats
    lower: Floats
    upper: Floats
    effective: Floats
    uncovered: Floats


def clopper_pearson(errors: Numbers, size: Numbers, confidence: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """The exact two-sided interval of a proportion (Clopper and Pearson 1934, Biometrika 26); sizes need not be whole.

    A one-sided bound at 95% is the bound of the two-sided interval at 90%. Where ``size`` is 0: 0 and 1.
    """
    errors, size = np.broadcast_arrays(np.asarray(errors, dtype=np.float64), np.asarray(size, dtype=np.float64))
    known = size > 0
    safe = np.where(known, size, 1.0)
    # Statsmodels wants counts between 0 and the size; rounding may put them past it by the last bit.
    count = np.clip(np.where(known, errors, 0.0), 0.0, safe)
    low, high = proportion_confint(count, safe, alpha=1 - confidence, method="beta")
    return np.where(known, low, 0.0), np.where(known, high, 1.0)


def stratified_rates(
    errors: Numbers,
    checked: Numbers,
    sizes: Numbers,
    within: Numbers | None = None,
    confidence: float = CONFIDENCE,
    cautious: bool = True,
) -> Rates:
    """Rates of error in a population of strata, or in that part of it which ``within`` counts.

    Args:
        errors: [..., strata], checked claims of the part that are wrong.
        checked: [..., strata], claims checked, a simple random sample of each stratum.
        sizes: [strata], claims there are.
        within: [..., strata], checked claims that belong to the part; default: all of them.
        confidence: of the interval and of each one-sided bound.
        cautious: False leaves out Kish's bound of the effective size; only to show what it is there for.

    Raises:
        ValueError: a stratum has more errors than checks of the part, or more checks than claims.
    """
    x, m, n = (np.asarray(given, dtype=np.float64) for given in (errors, checked, sizes))
    d = m if within is None else np.asarray(within, dtype=np.float64)
    if (x > d).any() or (d > m).any() or (m > n).any():
        raise ValueError("a stratum has more errors than checks, or more checks than claims")
    weight = np.divide(n, m, out=np.zeros(np.broadcast_shapes(n.shape, m.shape)), where=m > 0)
    part = (weight * d).sum(-1)
    rate = np.divide((weight * x).sum(-1), part, out=np.full(part.shape, np.nan), where=part > 0)
    p = np.nan_to_num(rate)[..., None]
    # Linearised: u = (wrong - p) inside the part, else 0; one check in a stratum has no spread of its own, so that its
    # square stands for it.
    squares, total = x * (1 - p) ** 2 + (d - x) * p**2, x - p * d
    spread = np.where(m > 1, (squares - total**2 / np.maximum(m, 1)) * m / np.maximum(m - 1, 1), squares)
    variance = ((1 - m / np.maximum(n, 1)) * weight**2 * np.maximum(spread, 0)).sum(-1) / np.where(
        part > 0, part, 1.0
    ) ** 2
    kish = np.divide(part**2, (weight**2 * d).sum(-1), out=np.zeros(part.shape), where=part > 0)
    # Without a bound and without an observed spread, Korn and Graubard take the plain number of checks.
    bound = kish if cautious else np.where(variance > 0, np.inf, d.sum(-1))
    effective = np.minimum(_korn_graubard(p[..., 0], variance, m), bound)
    low, high = clopper_pearson(p[..., 0] * effective, effective, confidence)
    lower, upper = clopper_pearson(p[..., 0] * effective, effective, 2 * confidence - 1)
    uncovered = np.where(m > 0, 0.0, n).sum(-1)
    share = np.divide(uncovered, uncovered + part, out=np.zeros(part.shape), where=uncovered + part > 0)
    census = ((m == n) & (part[..., None] > 0)).all(-1)

    def whole(bound: Floats, at_worst: float) -> Floats:
        return np.asarray(np.where(census, p[..., 0], (1 - share) * bound + share * at_worst), dtype=np.float64)

    return Rates(
        rate, whole(low, 0.0), whole(high, 1.0), whole(lower, 0.0), whole(upper, 1.0),
        effective=np.asarray(effective), uncovered=np.asarray(share),
    )  # fmt: skip


def _korn_graubard(p: Floats, variance: Floats, checked: Floats) -> Floats:
    """Effective size p (1 - p) / variance, adjusted for the degrees of freedom; infinite where the variance is 0."""
    count = checked.sum(-1)
    freedom = np.maximum(count - (checked > 0).sum(-1), 1)
    adjust = (student_t.ppf(0.975, np.maximum(count - 1, 1)) / student_t.ppf(0.975, freedom)) ** 2
    plain = np.divide(p * (1 - p), variance, out=np.full(np.shape(p), np.inf), where=variance > 0)
    return np.asarray(plain * adjust, dtype=np.float64)


def horvitz_thompson(wrong: Bools, inclusion: Floats, population: int) -> float:
    """sum(wrong / inclusion) / population (Horvitz and Thompson 1952, JASA 47); all [checks].

    Unbiased whatever the design if every drawn claim was checked; it may leave 0 to 1 by chance.
    """
    return float((wrong / inclusion).sum() / population)


def hajek(wrong: Bools, inclusion: Floats) -> float:
    """sum(wrong / inclusion) / sum(1 / inclusion) (Hájek 1971): the ratio form, never outside 0 to 1."""
    return float((wrong / inclusion).sum() / (1 / inclusion).sum())
