"""Calibration and threshold of a student, from validation pairs only.

Platt scaling (Platt 1999) is fitted on all validation sets together, each set with the same weight, for a worker does
not know which set an offer is from. The threshold is the one with the best mean F1 over the sets: one number for all,
so that no set is tuned on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from schemas.bundle import Calibration, Thresholds
from train.evaluation.metrics import Bools, Floats, f1_along

# Next to no regularisation: two parameters on thousands of pairs.
INVERSE_PENALTY = 1e4


class UncalibratableError(ValueError):
    """The scores of the validation pairs allow no calibration; the message says why."""


@dataclass(frozen=True)
class Fitted:
    """A calibration, the threshold that goes with it, and the validation F1 of each set at that threshold."""

    calibration: Calibration
    thresholds: Thresholds
    validation_f1: dict[str, float]


def fit(scored: Mapping[str, tuple[Floats, Bools]], name: str) -> Fitted:
    """Fit on ``{set: (logits [pairs], labels [pairs])}``; ``name`` says which pairs these are.

    Raises:
        UncalibratableError: a logit is not finite, a set lacks matches or non-matches, or the student ranks no better
            than chance (a <= 0).
    """
    for set_name, (values, labels) in scored.items():
        if labels.all() or not labels.any():
            raise UncalibratableError(f"validation set {set_name} needs both matches and non-matches")
        if not np.isfinite(values).all():
            raise UncalibratableError(f"validation set {set_name} has pairs without a readable answer")
    logits = np.concatenate([values for values, _ in scored.values()])
    labels = np.concatenate([marks for _, marks in scored.values()])
    weights = np.concatenate([np.full(len(marks), 1 / len(marks)) for _, marks in scored.values()])
    model = LogisticRegression(C=INVERSE_PENALTY).fit(
        logits[:, None], labels, sample_weight=weights * len(labels) / len(scored)
    )
    a, b = float(model.coef_[0, 0]), float(model.intercept_[0])
    if a <= 0:
        raise UncalibratableError(f"the student ranks no better than chance on the validation pairs (slope {a:.4g})")
    calibration = Calibration(a=round(a, 6), b=round(b, 6), fitted_on=name)
    probabilities = {key: _apply(calibration, values) for key, (values, _) in scored.items()}
    cuts = np.unique(np.round(np.concatenate(list(probabilities.values())), 4))
    cuts = cuts[(cuts > 0.02) & (cuts < 0.98)]
    if not len(cuts):  # a student that is never in doubt
        cuts = np.array([0.5])
    means = np.mean(
        [f1_along(scored[key][1][None, :], probabilities[key][None, :] >= cuts[:, None]) for key in scored], axis=0
    )
    # The middle of the plateau of near-best cuts: its very peak is noise.
    near = cuts[means >= means.max() - 0.002]
    cut = float(np.round(np.median(near), 4))
    best = {key: float(f1_along(scored[key][1], probabilities[key] >= cut)) for key in scored}
    return Fitted(calibration, Thresholds(match=cut), best)


def _apply(calibration: Calibration, logits: Floats) -> Floats:
    return np.asarray(expit(calibration.a * logits + calibration.b), dtype=np.float64)
