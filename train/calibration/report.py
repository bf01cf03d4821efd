"""All that is known of a calibration, as one JSON-ready object: the ``calibration_report`` of the facts. Pure.

Its honest part is ``leave_one_out``: each set under a calibration and thresholds that come from the other sets alone,
as a catalogue that nobody has seen would be. ``pooled`` is the fit that is stored, on the very pairs it was fitted on.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from train.calibration.curves import reliability, risk_coverage, summary
from train.calibration.fit import Fitted, apply, fit, leave_one_out, measured
from train.calibration.methods import Scored, compare
from train.calibration.thresholds import Calibrated, Chosen, Targets, choose, outcome
from train.evaluation.metrics import Bools, Floats

COVERAGES = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


def calibrated(scored: Scored, fitted: Fitted) -> Calibrated:
    """Probabilities and labels by set."""
    return {name: (apply(fitted.calibration, logits), labels) for name, (logits, labels) in scored.items()}


def pooled_arrays(sets: Calibrated) -> tuple[Bools, Floats]:
    """Labels and probabilities [pairs] of all sets, each pair counting once."""
    return (
        np.concatenate([labels for _, labels in sets.values()]),
        np.concatenate([values for values, _ in sets.values()]),
    )


def policy_left_out(scored: Scored, targets: Targets) -> dict[str, dict[str, Any]]:
    """What the targets come to on each set when calibration and thresholds are chosen on the others."""
    found: dict[str, dict[str, Any]] = {}
    for held, given in scored.items() if len(scored) > 1 else ():
        others = {name: each for name, each in scored.items() if name != held}
        fitted = fit(others, f"all but {held}")
        chosen = choose(calibrated(others, fitted), fitted.thresholds.match, targets)
        found[held] = outcome(calibrated({held: given}, fitted), chosen.thresholds, targets)
    return found


def calibration_report(scored: Scored, fitted: Fitted, chosen: Chosen | None, targets: Targets) -> dict[str, Any]:
    """The report; see the module. ``chosen`` is None where there are no targets.

    Raises:
        train.calibration.fit.UncalibratableError: some sets without the others allow no calibration.
    """
    sets = calibrated(scored, fitted)
    labels, probabilities = pooled_arrays(sets)
    curve = risk_coverage(labels, probabilities, fitted.thresholds.match)
    report: dict[str, Any] = {
        "pooled": {
            "all": summary(labels, probabilities),
            "sets": {name: measured(logits, marks, fitted) for name, (logits, marks) in scored.items()},
        },
        "leave_one_out": leave_one_out(scored),
        "methods": compare(scored) if len(scored) > 1 else {},
        "reliability": [
            {key: round(value, 4) for key, value in asdict(each).items()} for each in reliability(labels, probabilities)
        ],
        "risk_coverage": {
            "aurc": round(curve.aurc, 5),
            "aurc_best": round(curve.aurc_best, 5),
            "risk_at": {str(coverage): round(curve.at(coverage), 4) for coverage in COVERAGES},
        },
    }
    if chosen is not None:
        report["policy"] = {**chosen.report, "leave_one_out": policy_left_out(scored, targets)}
    return report
