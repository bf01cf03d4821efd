"""What is said of any scorer on any set of pairs: the same measures for the student and for all it stands beside."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest, bootstrap

from train.evaluation.metrics import (
    CONFIDENCE,
    RESAMPLES,
    Bools,
    Floats,
    average_precision,
    brier,
    expected_calibration_error,
    f1_along,
    f1_interval,
    match_counts,
)

DECIMALS = 4


def rounded(value: float) -> float:
    """A number as the report keeps it."""
    return round(float(value), DECIMALS)


def proportion(hits: int, n: int) -> dict[str, Any]:
    """``hits`` of ``n`` as a share with Wilson's 95% interval (Wilson 1927); all None for n = 0."""
    if not n:
        return {"n": 0, "hits": 0, "share": None, "share_low": None, "share_high": None}
    interval = binomtest(hits, n).proportion_ci(CONFIDENCE, method="wilson")
    return {
        "n": n,
        "hits": hits,
        "share": rounded(hits / n),
        "share_low": rounded(interval.low),
        "share_high": rounded(interval.high),
    }


def f1_at(labels: Bools, predicted: Bools) -> dict[str, Any]:
    """n, positives, precision, recall and F1 with its bootstrap interval over pairs."""
    counts = match_counts(labels, predicted)
    low, high = f1_interval(labels, predicted)
    return {
        "n": len(labels),
        "positives": int(labels.sum()),
        "precision": rounded(counts.precision),
        "recall": rounded(counts.recall),
        "f1": rounded(counts.f1),
        "f1_low": rounded(low),
        "f1_high": rounded(high),
    }


def measured(labels: Bools, scores: Floats, threshold: float, probabilities: bool = True) -> dict[str, Any]:
    """All measures of scores [pairs] at a threshold.

    ``probabilities`` says whether the scores are probabilities; otherwise ECE and Brier score are None.
    """
    found = f1_at(labels, scores >= threshold)
    found["threshold"] = round(float(threshold), 6)
    found["average_precision"] = rounded(average_precision(labels, scores))
    found["ece"] = rounded(expected_calibration_error(labels, scores)) if probabilities else None
    found["brier"] = rounded(brier(labels, scores)) if probabilities else None
    return found


def best_threshold(labels: Bools, scores: Floats) -> float:
    """The threshold of the highest F1 on these pairs, halfway to the next lower score; 0.5 where there is no match."""
    if not labels.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + labels.sum())
    # A cut may stand only between unequal scores.
    f1[:-1][ranked[:-1] == ranked[1:]] = -1
    best = int(np.argmax(f1))
    below = ranked[best + 1] if best + 1 < len(ranked) else ranked[best]
    return float((ranked[best] + below) / 2)


def f1_difference(labels: Bools, ours: Bools, theirs: Bools, seed: int = 0) -> dict[str, Any]:
    """F1 of ours minus F1 of theirs on the same pairs, with a paired percentile bootstrap interval (95%)."""
    difference = rounded(float(f1_along(labels, ours)) - float(f1_along(labels, theirs)))
    if len(labels) < 2 or bool((ours == theirs).all()):
        return {"n": len(labels), "difference": difference, "difference_low": difference, "difference_high": difference}

    def along(labels: Bools, ours: Bools, theirs: Bools, axis: int = -1) -> Floats:
        return f1_along(labels, ours, axis) - f1_along(labels, theirs, axis)

    interval = bootstrap(
        (labels, ours, theirs), along, paired=True, vectorized=True, n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE, method="percentile", batch=200, rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return {
        "n": len(labels),
        "difference": difference,
        "difference_low": rounded(interval.low),
        "difference_high": rounded(interval.high),
    }
