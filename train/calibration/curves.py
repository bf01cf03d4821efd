"""How good probabilities are, as tables and curves: reliability, ECE beside its range, Brier skill, risk-coverage.

Pure functions of ``labels`` [pairs] (True: a match) and ``probabilities`` [pairs] (calibrated, 0 to 1, no NaN); they
raise ValueError for arrays that are empty or of two lengths. The pictures of them are in ``train.calibration.plots``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from train.evaluation.metrics import CONFIDENCE, ECE_BINS, Bools, Floats, brier, expected_calibration_error

DRAWS = 2_000


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of a reliability diagram that holds pairs.

    Attributes:
        low, high: bounds of the probability; the last bin holds 1, every other one ends before ``high``.
        pairs: how many there are.
        mean_probability: what the student says of them on average.
        share_of_matches: what is true of them.
        share_low, share_high: Wilson's 95% interval of that share (Wilson 1927).
    """

    low: float
    high: float
    pairs: int
    mean_probability: float
    share_of_matches: float
    share_low: float
    share_high: float


@dataclass(frozen=True)
class RiskCoverage:
    """Verdicts from the surest on: ``risk[i]`` of the surest ``coverage[i]`` of the pairs are wrong.

    Attributes:
        coverage: [pairs], 1/n to 1.
        risk: [pairs]; pairs that are equally sure share their errors evenly.
        confidence: [pairs], the probability that the last verdict which is covered is right.
        aurc: area under the curve, the mean of ``risk`` (Geifman & El-Yaniv 2017; Geifman et al. 2019, eq. 2).
        aurc_best: the same if every wrong verdict were less sure than every right one; ``aurc - aurc_best`` is the
            excess that is due to the order alone (E-AURC, Geifman et al. 2019).
    """

    coverage: Floats
    risk: Floats
    confidence: Floats
    aurc: float
    aurc_best: float

    def at(self, coverage: float) -> float:
        """The risk where so much is covered (0 to 1), at the next pair above."""
        return float(self.risk[min(int(np.ceil(coverage * len(self.risk))), len(self.risk)) - 1])


def reliability(labels: Bools, probabilities: Floats, bins: int = ECE_BINS) -> list[ReliabilityBin]:
    """The bins of equal width that hold pairs, from low to high; they are those of the ECE."""
    place = _places(labels, probabilities, bins)
    found = []
    for number in np.unique(place):
        inside = place == number
        matches, pairs = int(labels[inside].sum()), int(inside.sum())
        interval = binomtest(matches, pairs).proportion_ci(CONFIDENCE, method="wilson")
        found.append(
            ReliabilityBin(
                low=float(number / bins),
                high=float((number + 1) / bins),
                pairs=pairs,
                mean_probability=float(probabilities[inside].mean()),
                share_of_matches=matches / pairs,
                share_low=float(interval.low),
                share_high=float(interval.high),
            )
        )
    return found


def calibrated_ece_range(
    probabilities: Floats, bins: int = ECE_BINS, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """The 95% range of the ECE that a perfectly calibrated model with these probabilities would show.

    Labels are drawn from the probabilities themselves ``draws`` times: an ECE of a finite sample is never 0, and one
    inside this range is no evidence of miscalibration (consistency resampling, Broecker & Smith 2007).
    """
    place = _places(probabilities >= 0, probabilities, bins)
    generator = np.random.default_rng(seed)
    # Only the number of matches in each bin matters, and |sum of p - matches| / n adds up to the ECE.
    expected = np.bincount(place, probabilities, minlength=bins)
    errors = np.empty(draws)
    for number in range(draws):
        drawn = generator.random(len(probabilities)) < probabilities
        errors[number] = np.abs(expected - np.bincount(place, drawn, minlength=bins)).sum() / len(probabilities)
    low, high = np.quantile(errors, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def brier_skill(labels: Bools, probabilities: Floats, base_rate: float | None = None) -> float:
    """1 - Brier / Brier of saying the base rate of every pair: 1 is perfect, 0 no better than the base rate.

    ``base_rate`` is that of these labels by default (Murphy 1973). 0 where all labels are alike.
    """
    _check(labels, probabilities)
    rate = float(labels.mean()) if base_rate is None else base_rate
    reference = brier(labels, np.full(len(labels), rate))
    return 1 - brier(labels, probabilities) / reference if reference else 0.0


def risk_coverage(labels: Bools, probabilities: Floats, threshold: float) -> RiskCoverage:
    """The risk-coverage curve of the verdicts ``probability >= threshold``.

    A verdict's confidence is the probability that it is right: that of a match for a match, else that of none. So with
    a threshold off 0.5 the pairs next to it on its far side are the least sure, as a calibrated model has it.
    """
    _check(labels, probabilities)
    said = probabilities >= threshold
    confidence = np.where(said, probabilities, 1 - probabilities)
    order = np.argsort(-confidence, kind="stable")
    confidence, wrong = confidence[order], (said != labels)[order].astype(np.float64)
    _, group = np.unique(-confidence, return_inverse=True)
    wrong = (np.bincount(group, wrong) / np.bincount(group))[group]
    taken = np.arange(1, len(wrong) + 1)
    risk = np.cumsum(wrong) / taken
    errors = round(float(wrong.sum()))
    best = np.clip(taken - (len(wrong) - errors), 0, None) / taken
    return RiskCoverage(taken / len(wrong), risk, confidence, float(risk.mean()), float(best.mean()))


def summary(labels: Bools, probabilities: Floats, bins: int = ECE_BINS, seed: int = 0) -> dict[str, Any]:
    """Calibration in numbers, JSON-ready and rounded; ``ece_inside``: the ECE is at most the range's upper end."""
    low, high = calibrated_ece_range(probabilities, bins, seed=seed)
    error = expected_calibration_error(labels, probabilities, bins)
    return {
        "pairs": len(labels),
        "base_rate": round(float(labels.mean()), 4),
        "mean_probability": round(float(probabilities.mean()), 4),
        "ece": round(error, 4),
        "ece_calibrated_low": round(low, 4),
        "ece_calibrated_high": round(high, 4),
        "ece_inside": error <= high,
        "brier": round(brier(labels, probabilities), 4),
        "brier_skill": round(brier_skill(labels, probabilities), 4),
    }


def _places(labels: Bools, probabilities: Floats, bins: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    _check(labels, probabilities)
    return np.minimum((probabilities * bins).astype(np.int64), bins - 1)


def _check(labels: Bools, probabilities: Floats) -> None:
    if len(labels) != len(probabilities) or not len(labels):
        raise ValueError(f"needs as many labels as probabilities, and some: {len(labels)} and {len(probabilities)}")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities are between 0 and 1")
