"""Precision, recall and F1 of production without labels, and their correction by a sample that has some.

**Confidence-based performance estimation** (as in NannyML's CBPE; the idea is in Guillory et al. 2021, *Predicting with
confidence on unseen distributions*): a calibrated probability says how often the verdicts of such pairs are right, so
that its sums over what was said *match* and what was not are the expected true positives, false positives and false
negatives. It follows a change in *which* pairs come (covariate shift); it is blind to a change in what their
probabilities mean. Recall is among judged pairs: a match that blocking never named is no pair.

**Correction**: the mean of y - p over a random labelled sample, weighted by inverse inclusion probabilities, is added
to both sides (the difference estimator, Saerndal et al. 1992, ch. 6.3; prediction-powered inference, Angelopoulos et
al. 2023). It is unbiased whatever the calibration does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from schemas.drift import Estimate
from worker.monitor.facts import MILLION

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Sums:
    """Pairs that were said to match (`said`) and the others (`rest`): how many, sum of p, sum of p (1 - p)."""

    said: float = 0.0
    said_p: float = 0.0
    said_v: float = 0.0
    rest: float = 0.0
    rest_p: float = 0.0
    rest_v: float = 0.0

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Sums:
        """From the counts of the signal `sum.estimate`."""
        get = counts.get
        return cls(
            get("said.pairs", 0), get("said.p", 0) / MILLION, get("said.v", 0) / MILLION,
            get("not.pairs", 0), get("not.p", 0) / MILLION, get("not.v", 0) / MILLION,
        )  # fmt: skip


def estimate(counts: Mapping[str, int], labelled: Mapping[str, int] | None = None) -> Estimate:
    """The estimate of a window from `sum.estimate`, corrected by `sum.labelled` where that is given.

    The interval is of F1 by the delta method, with labels independent given their probabilities. Precision is None
    where nothing was said to match, recall and F1 where no match is expected either.
    """
    sums = Sums.of(counts)
    right, missed = sums.said_p, sums.rest_p
    if labelled:
        right += _correction(labelled, "said", sums.said)
        missed += _correction(labelled, "not", sums.rest)
    right, missed = min(max(right, 0.0), sums.said), min(max(missed, 0.0), sums.rest)
    whole = sums.said + right + missed
    f1 = 2 * right / whole if whole else None
    low = high = None
    if f1 is not None and not labelled:
        by_right, by_missed = 2 * (sums.said + missed) / whole**2, 2 * right / whole**2
        spread = _Z * math.sqrt(by_right**2 * sums.said_v + by_missed**2 * sums.rest_v)
        low, high = max(0.0, f1 - spread), min(1.0, f1 + spread)
    return Estimate(
        pairs=int(sums.said + sums.rest),
        precision=right / sums.said if sums.said else None,
        recall=right / (right + missed) if right + missed else None,
        f1=f1, f1_low=low, f1_high=high,
    )  # fmt: skip


def _correction(labelled: Mapping[str, int], side: str, pairs: float) -> float:
    """What is to be added to a sum of probabilities: pairs times the weighted mean of y - p (Hajek's ratio form)."""
    weight = labelled.get(f"{side}.weight", 0)
    return pairs * labelled.get(f"{side}.off", 0) / weight if weight else 0.0
