"""`samesku train calibrate`: scores from the serving engine or from files, the fit, and what is written of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from train.calibration.curves import reliability, risk_coverage
from train.calibration.fit import Fitted, fit
from train.calibration.methods import Scored
from train.calibration.plots import reliability_diagram, risk_coverage_curves, save
from train.calibration.prior import sampling_log_odds, seen_rates
from train.calibration.report import calibrated, calibration_report, pooled_arrays
from train.calibration.thresholds import Targets, choose
from train.evaluation.evaluate import judge_pairs
from train.evaluation.metrics import Bools, Floats
from train.pairs.pairs import Pair
from worker.student.judge import Judge

SAMPLE_SEED = 7


@dataclass(frozen=True)
class Calibrated:
    """A fit with the facts of it as `samesku export` and `samesku bundle update` read them."""

    fitted: Fitted
    facts: dict[str, Any]

    def unmet(self) -> list[str]:
        """One line for each target that is not met."""
        policy = self.facts["calibration_report"].get("policy", {})
        return [
            f"{name}: the target {policy[name]['target']} is not met, the best bound is {policy[name]['reached']}"
            for name in ("precision", "npv", "review_budget")
            if name in policy and not policy[name]["met"]
        ]


def judge_validation(
    judge: Judge, pairs: list[Pair], sample: int | None, progress: Callable[[int], None]
) -> tuple[tuple[Floats, Bools], float]:
    """Logits and labels of a validation set (of a seeded uniform sample of it), and pairs per second."""
    if sample is not None and sample < len(pairs):
        pairs = random.Random(SAMPLE_SEED).sample(pairs, sample)
    judged = judge_pairs(judge, pairs, progress=progress)
    return (judged.logits(), judged.labels()), len(pairs) / judged.seconds


def calibrate(scored: Scored, targets: Targets) -> Calibrated:
    """Fit, choose thresholds if there are targets, and report.

    Raises:
        train.calibration.fit.UncalibratableError: see there.
    """
    count = sum(len(labels) for _, labels in scored.values())
    fitted = fit(scored, f"validation of {', '.join(scored)} ({count} pairs)")
    sets = calibrated(scored, fitted)
    chosen = choose(sets, fitted.thresholds.match, targets) if targets.any() else None
    thresholds = fitted.thresholds if chosen is None else chosen.thresholds
    return Calibrated(
        fitted,
        {
            "calibration": fitted.calibration.model_dump(mode="json"),
            "thresholds": thresholds.model_dump(mode="json", exclude_none=True),
            "quality": {"validation_f1": {name: round(value, 4) for name, value in fitted.validation_f1.items()}},
            "calibration_report": calibration_report(scored, fitted, chosen, targets),
        },
    )


def training_facts(training: Path) -> dict[str, Any]:
    """The digest and the names of the training sets from the ``training.json`` of a run."""
    data = orjson.loads(training.read_bytes())["data"]
    return {
        "training_digest": data["digest"],
        "trained_on": sorted({key.rpartition(":")[0] for key in data["counts"]}),
    }


def prior_facts(training: Path, fitted: Fitted) -> dict[str, float]:
    """How far the sampling in training should have moved the logits, and by how much the fitted map moves them back.

    In nats: ``hard`` of negatives that were all kept, ``easy`` of those that were thinned, ``fitted`` the logit that
    the map takes for even odds. A ``fitted`` far outside of the other two says that validation's share of matches is
    another than training's, or that the student has not learnt to be in doubt. Empty if the run does not say.
    """
    config = orjson.loads(training.read_bytes()).get("config", {})
    if not {"keep_easy", "both_ways"} <= config.keys() or not config["keep_easy"]:
        return {}
    positive, negative = seen_rates(np.array([False, True]), config["keep_easy"], config["both_ways"])
    hard, easy = sampling_log_odds(positive, negative).tolist()
    moved = -fitted.calibration.b / fitted.calibration.a
    return {"hard": round(hard, 4), "easy": round(easy, 4), "fitted": round(moved, 4)}


def write_pictures(folder: Path, scored: Scored, fitted: Fitted) -> list[Path]:
    """``reliability.svg`` and ``risk_coverage.svg`` of the pooled pairs; returns their paths."""
    sets = calibrated(scored, fitted)
    labels, probabilities = pooled_arrays(sets)
    threshold = fitted.thresholds.match
    curves = {name: risk_coverage(marks, values, threshold) for name, (values, marks) in sets.items()}
    pictures = {
        "reliability.svg": reliability_diagram(reliability(labels, probabilities), "pooled validation"),
        "risk_coverage.svg": risk_coverage_curves(
            {"all": risk_coverage(labels, probabilities, threshold), **curves}, "validation"
        ),
    }
    for name, figure in pictures.items():
        save(figure, folder / name)
    return [folder / name for name in pictures]
