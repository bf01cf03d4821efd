"""The numbers of a comparison. Intervals, tests and scores are statsmodels', scipy's and scikit-learn's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap
from sklearn.metrics import brier_score_loss
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from worker.comparison.cases import Case

Floats = npt.NDArray[np.float64]
VERDICTS = ("match", "no_match", "review")
RESAMPLES = 2_000
# Ten bins: a hundred labels then leave ten a bin.
BINS = 10


def proportion(count: int, total: int, confidence: float) -> dict[str, Any]:
    """A share with Wilson's score interval (Wilson 1927); of nothing it is null."""
    if not total:
        return {"count": count, "of": total, "share": None, "low": None, "high": None}
    low, high = proportion_confint(count, total, alpha=1 - confidence, method="wilson")
    return {"count": count, "of": total, "share": count / total, "low": float(low), "high": float(high)}


def rates(cases: Sequence[Case], confidence: float) -> dict[str, Any]:
    """Share of each verdict on both sides, and the change with a percentile bootstrap interval over pairs."""
    found: dict[str, Any] = {}
    for verdict in VERDICTS:
        old = np.array([case.old.verdict == verdict for case in cases], dtype=np.float64)
        new = np.array([case.new.verdict == verdict for case in cases], dtype=np.float64)
        low, high = _difference_interval(old, new, confidence)
        found[verdict] = {
            "old": proportion(int(old.sum()), len(cases), confidence),
            "new": proportion(int(new.sum()), len(cases), confidence),
            "change": float(new.mean() - old.mean()) if len(cases) else None,
            "low": low,
            "high": high,
        }
    return found


def _difference_interval(old: Floats, new: Floats, confidence: float) -> tuple[float | None, float | None]:
    difference = new - old
    if len(difference) < 2:
        return None, None
    if not difference.any():
        # Resampling zeros gives zeros; scipy warns of it.
        return 0.0, 0.0
    result = bootstrap(
        (difference,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, method="percentile", batch=100,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def agreement(cases: Sequence[Case], confidence: float) -> dict[str, Any]:
    """Agreement of both sides with human labels.

    A review agrees with neither label: somebody must look. The test is McNemar's, exact (binomial, two-sided), on the
    labelled pairs on which exactly one side agrees: under the null each of them is as likely to agree.
    """
    labelled = [case for case in cases if case.label is not None]
    old = [_agrees(case.old.verdict, case.label) for case in labelled]
    new = [_agrees(case.new.verdict, case.label) for case in labelled]
    both = sum(a and b for a, b in zip(old, new, strict=True))
    lost = sum(a and not b for a, b in zip(old, new, strict=True))
    won = sum(b and not a for a, b in zip(old, new, strict=True))
    table = [[both, lost], [won, len(labelled) - both - lost - won]]
    return {
        "labelled": len(labelled),
        "old": proportion(sum(old), len(labelled), confidence),
        "new": proportion(sum(new), len(labelled), confidence),
        "change": (sum(new) - sum(old)) / len(labelled) if labelled else None,
        "only_old_agrees": lost,
        "only_new_agrees": won,
        "reviews_old": sum(case.old.verdict == "review" for case in labelled),
        "reviews_new": sum(case.new.verdict == "review" for case in labelled),
        "test": "McNemar, exact, two-sided",
        "p_value": float(mcnemar(table, exact=True).pvalue) if lost + won else None,
    }


def _agrees(verdict: str, label: bool | None) -> bool:
    return verdict == ("match" if label else "no_match")


def calibration(cases: Sequence[Case]) -> dict[str, Any]:
    """Expected calibration error, Brier score and reliability of both sides, on labelled pairs with a probability."""
    used = [
        case
        for case in cases
        if case.label is not None and case.old.probability is not None and case.new.probability is not None
    ]
    labels = np.array([bool(case.label) for case in used], dtype=np.float64)
    sides = {
        "old": np.array([case.old.probability for case in used], dtype=np.float64),
        "new": np.array([case.new.probability for case in used], dtype=np.float64),
    }
    return {"labelled": len(used), **{name: _calibrated(labels, found) for name, found in sides.items()}}


def _calibrated(labels: Floats, probabilities: Floats) -> dict[str, Any]:
    if not len(labels):
        return {"ece": None, "brier": None, "bins": []}
    place = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    bins = [
        {
            "bin": int(number),
            "pairs": int((place == number).sum()),
            "probability": float(probabilities[place == number].mean()),
            "matches": float(labels[place == number].mean()),
        }
        for number in np.unique(place)
    ]
    # Guo et al. 2017, On Calibration of Modern Neural Networks, equation 3.
    ece = sum(each["pairs"] * abs(each["probability"] - each["matches"]) for each in bins) / len(labels)
    return {"ece": ece, "brier": float(brier_score_loss(labels, probabilities, pos_label=1)), "bins": bins}


def latency(cases: Sequence[Case]) -> dict[str, Any]:
    """Milliseconds to judge a pair (without its sentence), where both sides were measured."""
    timed = [(case.old.timings, case.new.timings) for case in cases]
    old = np.array([a.judge_ms for a, b in timed if a is not None and b is not None], dtype=np.float64)
    new = np.array([b.judge_ms for a, b in timed if a is not None and b is not None], dtype=np.float64)
    if not len(old):
        return {"pairs": 0, "old": None, "new": None, "ratio": None}
    medians = float(np.median(old)), float(np.median(new))
    return {
        "pairs": len(old),
        "old": {"median": medians[0], "p95": float(np.percentile(old, 95))},
        "new": {"median": medians[1], "p95": float(np.percentile(new, 95))},
        "ratio": medians[1] / medians[0] if medians[0] > 0 else None,
    }


def shift(cases: Sequence[Case]) -> dict[str, Any]:
    """How far the probabilities moved."""
    moved = [delta(case) for case in cases if case.old.probability is not None and case.new.probability is not None]
    if not moved:
        return {"pairs": 0, "mean": None, "median": None, "p95": None}
    found = np.abs(np.array(moved))
    return {
        "pairs": len(moved),
        "mean": float(found.mean()),
        "median": float(np.median(found)),
        "p95": float(np.percentile(found, 95)),
    }


def delta(case: Case) -> float:
    """New minus old probability; 1 where one side has none (an identifier decided)."""
    if case.old.probability is None or case.new.probability is None:
        return 1.0
    return case.new.probability - case.old.probability
