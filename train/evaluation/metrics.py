"""Metrics of scored pairs. Average precision, Brier score and bootstrap come from scikit-learn and scipy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap
from sklearn.metrics import average_precision_score, brier_score_loss

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Fifteen bins are what calibration papers report (Guo et al. 2017, On Calibration of Modern Neural Networks, 4.1).
ECE_BINS = 15
RESAMPLES = 2_000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Counts:
    """Precision, recall and F1 of the match class, 0 to 1; each is 0 where its denominator is."""

    precision: float
    recall: float
    f1: float


def match_counts(labels: Bools, predicted: Bools) -> Counts:
    """Counts for boolean arrays of one shape [pairs]."""
    hits = int((labels & predicted).sum())
    precision = hits / int(predicted.sum()) if predicted.any() else 0.0
    recall = hits / int(labels.sum()) if labels.any() else 0.0
    return Counts(precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0)


def f1_along(labels: Bools, predicted: Bools, axis: int = -1) -> Floats:
    """F1 = 2TP / (2TP + FP + FN) along an axis; 0 where nothing is positive."""
    hits = (labels & predicted).sum(axis=axis)
    total = labels.sum(axis=axis) + predicted.sum(axis=axis)
    return np.asarray(2 * hits / np.maximum(total, 1), dtype=np.float64)


def f1_interval(labels: Bools, predicted: Bools, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of F1 over pairs (95%, ``RESAMPLES`` resamples)."""
    if len(labels) < 2:
        value = match_counts(labels, predicted).f1
        return value, value
    result = bootstrap(
        (labels, predicted), f1_along, paired=True, vectorized=True, n_resamples=RESAMPLES, confidence_level=CONFIDENCE,
        method="percentile", batch=200, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def expected_calibration_error(labels: Bools, probabilities: Floats, bins: int = ECE_BINS) -> float:
    """ECE: sum over equal-width bins of share x |mean probability - share of matches| (Guo et al. 2017, eq. 3)."""
    if not len(labels):
        return 0.0
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    error = 0.0
    for number in np.unique(place):
        inside = place == number
        error += float(inside.mean()) * abs(float(probabilities[inside].mean()) - float(labels[inside].mean()))
    return error


def average_precision(labels: Bools, probabilities: Floats) -> float:
    """Area under the precision-recall curve (scikit-learn's step-wise form); 0 without a positive."""
    return float(average_precision_score(labels, probabilities)) if labels.any() else 0.0


def brier(labels: Bools, probabilities: Floats) -> float:
    """Mean squared error of the probabilities."""
    return float(brier_score_loss(labels, probabilities, pos_label=True)) if len(labels) else 0.0
