"""Calibration and threshold of a student, from validation pairs only.

Platt scaling (Platt 1999) is fitted on all validation sets together, each set with the same weight, for a worker does
not know which set an offer is from. The threshold is the one with the best mean F1 over the sets: one number for all,
so that no set is tuned on its own. What a set would get from the *others* alone, as a catalogue that nobody has seen
does, is in `leave_one_out`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from schemas.bundle import Calibration, Thresholds
from train.calibration.curves import summary
from train.calibration.methods import Scored, logistic, pair_losses, pooled
from train.evaluation.metrics import Bools, Floats, f1_interval, match_counts

# Cuts are compared in steps of this; no threshold is known better.
DECIMALS = 4
# Outside of these a cut is where a student that is never in doubt has no pairs.
LOWEST, HIGHEST = 0.02, 0.98
# Cuts whose F1 is as near as this to the best are the plateau.
PLATEAU = 0.002


class UncalibratableError(ValueError):
    """The scores of the validation pairs allow no calibration; the message says why."""


@dataclass(frozen=True)
class Fitted:
    """A calibration, the threshold that goes with it, and the validation F1 of each set at that threshold."""

    calibration: Calibration
    thresholds: Thresholds
    validation_f1: dict[str, float]


def check(scored: Scored) -> None:
    """Raise UncalibratableError for a logit that is not finite and for a set without matches or non-matches."""
    if not scored:
        raise UncalibratableError("there is no validation set")
    for name, (values, labels) in scored.items():
        if labels.all() or not labels.any():
            raise UncalibratableError(f"validation set {name} needs both matches and non-matches")
        if not np.isfinite(values).all():
            raise UncalibratableError(f"validation set {name} has pairs without a readable answer")


def fit(scored: Scored, name: str) -> Fitted:
    """Fit on ``{set: (logits [pairs], labels [pairs])}``; ``name`` says which pairs these are.

    Raises:
        UncalibratableError: a logit is not finite, a set lacks matches or non-matches, or the student ranks no better
            than chance (a <= 0).
    """
    check(scored)
    logits, labels, weights = pooled(scored)
    slopes, b = logistic(logits[:, None], labels, weights)
    a = float(slopes[0])
    if a <= 0:
        raise UncalibratableError(f"the student ranks no better than chance on the validation pairs (slope {a:.4g})")
    calibration = Calibration(a=round(a, 6), b=round(b, 6), fitted_on=name)
    probabilities = {key: (apply(calibration, values), marks) for key, (values, marks) in scored.items()}
    cut = best_cut(probabilities)
    best = {key: match_counts(marks, values >= cut).f1 for key, (values, marks) in probabilities.items()}
    return Fitted(calibration, Thresholds(match=cut), best)


def apply(calibration: Calibration, logits: Floats) -> Floats:
    """`Calibration.apply` of an array."""
    return np.asarray(expit(calibration.a * logits + calibration.b), dtype=np.float64)


def f1_at_cuts(labels: Bools, probabilities: Floats, cuts: Floats) -> Floats:
    """F1 [cuts] of ``probabilities >= cut``; sorted once, so that many cuts cost no memory of cuts x pairs."""
    said = len(labels) - np.searchsorted(np.sort(probabilities), cuts)
    right = int(labels.sum()) - np.searchsorted(np.sort(probabilities[labels]), cuts)
    return np.asarray(2 * right / np.maximum(said + int(labels.sum()), 1), dtype=np.float64)


def best_cut(probabilities: Mapping[str, tuple[Floats, Bools]]) -> float:
    """The cut of the best mean F1 over the sets ``{set: (probabilities, labels)}``, in the middle of its plateau."""
    cuts = np.unique(np.round(np.concatenate([values for values, _ in probabilities.values()]), DECIMALS))
    cuts = cuts[(cuts > LOWEST) & (cuts < HIGHEST)]
    if not len(cuts):  # a student that is never in doubt
        return 0.5
    means = np.mean([f1_at_cuts(labels, values, cuts) for values, labels in probabilities.values()], axis=0)
    # The middle of the plateau of near-best cuts: its very peak is noise.
    near = cuts[means >= means.max() - PLATEAU]
    return float(np.round(np.median(near), DECIMALS))


def measured(logits: Floats, labels: Bools, fitted: Fitted) -> dict[str, Any]:
    """F1 with its interval, log loss, ECE and Brier skill of pairs under a calibration and threshold, rounded."""
    probabilities = apply(fitted.calibration, logits)
    said = probabilities >= fitted.thresholds.match
    counts, (low, high) = match_counts(labels, said), f1_interval(labels, said)
    return {
        "f1": round(counts.f1, 4),
        "f1_low": round(low, 4),
        "f1_high": round(high, 4),
        "precision": round(counts.precision, 4),
        "recall": round(counts.recall, 4),
        "log_loss": round(float(pair_losses(labels, probabilities).mean()), 5),
        **summary(labels, probabilities),
    }


def leave_one_out(scored: Scored) -> dict[str, dict[str, Any]]:
    """For each set what `measured` says when calibration and threshold come from the other sets alone.

    With ``a``, ``b`` and ``threshold`` of that fit, and ``f1_own``: the F1 if the threshold were the set's own best.
    Empty for a single set.

    Raises:
        UncalibratableError: see `fit`.
    """
    found: dict[str, dict[str, Any]] = {}
    for held, (logits, labels) in scored.items() if len(scored) > 1 else ():
        fitted = fit({name: given for name, given in scored.items() if name != held}, f"all but {held}")
        probabilities = apply(fitted.calibration, logits)
        own = best_cut({held: (probabilities, labels)})
        found[held] = {
            "a": fitted.calibration.a,
            "b": fitted.calibration.b,
            "threshold": fitted.thresholds.match,
            "f1_own": round(match_counts(labels, probabilities >= own).f1, 4),
            **measured(logits, labels, fitted),
        }
    return found
