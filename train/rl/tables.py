"""The ablation's table: every arm against the control, with intervals over seeds and products. Pure functions.

Calibration and threshold of a test pair come from all validation pairs, those of a validation pair from the other half
of them; so no pair chooses its own threshold. A resample draws seeds, and products with all their pairs, with
replacement; arms are compared within a resample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from train.calibration.fit import UncalibratableError, apply, fit
from train.evaluation.metrics import CONFIDENCE, ECE_BINS, Bools, Floats
from train.rewards import Ints
from train.rl.assessment import Answers, Exam, SetName
from train.rl.policy import ANSWER

RESAMPLES = 1_000
MEASURES = ("f1", "brier", "ece", "preferred")
LOWER_IS_BETTER = ("brier", "ece")


@dataclass(frozen=True)
class Judged:
    """Calibrated probabilities and verdicts of one run, by set, [pairs]."""

    probabilities: Mapping[SetName, Floats]
    said: Mapping[SetName, Bools]


def answer_logits(answers: Answers) -> dict[SetName, Floats]:
    """Logit of ``same`` less that of ``different``, by set."""
    return {name: values[:, ANSWER, 0] - values[:, ANSWER, 1] for name, values in answers.logits.items()}


def halves_of(labels: Bools) -> Ints:
    """0 or 1 for each pair, so that each half has half of the matches."""
    halves = np.zeros(len(labels), np.int64)
    for each in (labels, ~labels):
        halves[each] = np.arange(int(each.sum())) % 2
    return halves


def judged(answers: Answers, exam: Exam) -> Judged:
    """Verdicts of a run. A student that ranks no better than chance keeps its own probabilities and a half."""
    logits = answer_logits(answers)
    labels = {name: exam.labels(name) == 1 for name in exam.sets}
    halves = {name: halves_of(marks) for name, marks in labels.items()}
    valid = [name for name in exam.sets if name[0] == "valid"]
    probabilities = {name: np.zeros(len(values)) for name, values in logits.items()}
    said = {name: np.zeros(len(values), dtype=np.bool_) for name, values in logits.items()}
    # Tests take all of validation: half 2 is nobody's own.
    for half in (0, 1, 2):
        chosen = {name[1]: (logits[name][halves[name] != half], labels[name][halves[name] != half]) for name in valid}
        try:
            fitted = fit(chosen, f"but half {half}")
        except UncalibratableError:
            fitted = None
        for name, values in logits.items():
            mine = halves[name] == half if name[0] == "valid" else np.full(len(values), half == 2)
            p = apply(fitted.calibration, values[mine]) if fitted else 1 / (1 + np.exp(-values[mine]))
            probabilities[name][mine] = p
            said[name][mine] = p >= (fitted.thresholds.match if fitted else 0.5)
    return Judged(probabilities, said)


def preferences(answers: Answers, start: Answers, credit: Mapping[SetName, Floats]) -> dict[SetName, Ints]:
    """1 where the held-out judge prefers the run's likeliest verdicts to the start's, -1 where not, 0 where alike.

    Args:
        credit: [judged pairs, 5, 3], of the first pairs of each set.
    """
    found = {}
    for name, worth in credit.items():
        both = []
        for each in (answers, start):
            choices = each.logits[name][: len(worth), :ANSWER].argmax(axis=2)
            both.append(np.take_along_axis(worth, choices[..., None], axis=2).sum(axis=(1, 2)))
        difference = both[0] - both[1]
        found[name] = np.where(np.abs(difference) < 1e-9, 0, np.sign(difference)).astype(np.int64)
    return found


@dataclass(frozen=True)
class ArmRuns:
    """All seeds of one arm."""

    judged: Sequence[Judged]
    preferred: Sequence[Mapping[SetName, Ints]]


def weights_of(products: Ints, rng: np.random.Generator) -> Floats:
    """[resamples, pairs]: how often each pair is drawn when products are drawn with replacement."""
    count = int(products.max()) + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    return np.asarray(drawn[:, products], dtype=np.float64)


def measured(runs: ArmRuns, exam: Exam, split: str, weights: Mapping[SetName, Floats]) -> dict[str, Floats]:
    """Each measure [resamples, seeds], the mean over the sets of a split.

    ``preferred`` is the share of the judged pairs whose verdicts differ in worth where the run's are preferred, over
    all sets together; NaN where none differs.
    """
    names = [name for name in exam.sets if name[0] == split]
    found: dict[str, list[Floats]] = {"f1": [], "brier": [], "ece": []}
    wins = losses = np.zeros((len(weights[names[0]]), len(runs.judged)))
    for name in names:
        labels, w = exam.labels(name) == 1, weights[name]
        p = np.stack([run.probabilities[name] for run in runs.judged], axis=1)
        said = np.stack([run.said[name] for run in runs.judged], axis=1)
        total = w.sum(axis=1, keepdims=True)
        hits, named = w @ (said & labels[:, None]), w @ said + w @ labels[:, None]
        found["f1"].append(2 * hits / np.maximum(named, 1))
        found["brier"].append(w @ (p - labels[:, None]) ** 2 / total)
        found["ece"].append(_ece(p, labels, w) / total)
        liked = np.stack([each[name] for each in runs.preferred], axis=1)
        some = w[:, : len(liked)]
        wins, losses = wins + some @ (liked > 0), losses + some @ (liked < 0)
    means = {name: np.asarray(np.mean(values, axis=0), dtype=np.float64) for name, values in found.items()}
    decided = np.asarray(wins + losses, dtype=np.float64)
    means["preferred"] = np.divide(wins, decided, out=np.full_like(decided, np.nan), where=decided > 0)
    return means


def _ece(p: Floats, labels: Bools, weights: Floats) -> Floats:
    """[resamples, seeds]: the weighted sum over bins of |sum of (probability - label)|."""
    found = np.zeros((len(weights), p.shape[1]))
    for seed in range(p.shape[1]):
        place = np.minimum((p[:, seed] * ECE_BINS).astype(np.int64), ECE_BINS - 1)
        gaps = np.zeros((len(p), ECE_BINS))
        gaps[np.arange(len(p)), place] = p[:, seed] - labels
        found[:, seed] = np.abs(weights @ gaps).sum(axis=1)
    return found


def interval(values: Floats) -> tuple[float | None, float | None]:
    """The percentile interval of resampled values; None where there is none."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None, None
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def table(arms: Mapping[str, ArmRuns], exam: Exam, control: str, seed: int = 0) -> list[dict[str, Any]]:
    """One row an arm and split: each measure with its interval, and the difference to the control with its own."""
    rng = np.random.default_rng(seed)
    weights = {name: weights_of(exam.products(name), rng) for name in exam.sets}
    ones = {name: np.ones((1, len(exam.sets[name]))) for name in exam.sets}
    most = max(len(runs.judged) for runs in arms.values())
    drawn = rng.integers(0, most, (RESAMPLES, most))
    rows = []
    for split in sorted({name[0] for name in exam.sets}, reverse=True):
        resampled = {arm: measured(runs, exam, split, weights) for arm, runs in arms.items()}
        points = {arm: measured(runs, exam, split, ones) for arm, runs in arms.items()}
        picked = {
            arm: {name: _over_seeds(values, drawn) for name, values in found.items()}
            for arm, found in resampled.items()
        }
        for arm, runs in arms.items():
            row: dict[str, Any] = {"arm": arm, "split": split, "seeds": len(runs.judged)}
            for name in MEASURES:
                row[name] = _mean(points[arm][name])
                row[f"{name}_low"], row[f"{name}_high"] = interval(picked[arm][name])
                row[f"{name}_worst_seed"] = _worst(points[arm][name], name)
                if control in arms and arm != control and name != "preferred":
                    row[f"{name}_less_control"] = row[name] - _mean(points[control][name])
                    low, high = interval(picked[arm][name] - picked[control][name])
                    row[f"{name}_less_control_low"], row[f"{name}_less_control_high"] = low, high
            rows.append(row)
    return rows


def _over_seeds(values: Floats, drawn: npt.NDArray[np.int64]) -> Floats:
    """[resamples]: the mean over the seeds that a resample drew; an arm with fewer seeds draws among its own."""
    return np.asarray(np.take_along_axis(values, drawn % values.shape[1], axis=1).mean(axis=1), dtype=np.float64)


def _mean(values: Floats) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def _worst(values: Floats, name: str) -> float:
    if np.isnan(values).all():
        return float("nan")
    return float(np.nanmax(values) if name in LOWER_IS_BETTER else np.nanmin(values))


def verdict(rows: Sequence[Mapping[str, Any]], arm: str = "full") -> str:
    """Whether RL becomes the default, by the rule that was set beforehand, in one sentence.

    The rule: on validation and on test together nothing is worse by an interval, at least one of F1 and Brier score is
    better by an interval that excludes 0, and the held-out judge prefers its verdicts in at least 60%.
    """
    mine = [row for row in rows if row["arm"] == arm and "f1_less_control" in row]
    if not mine:
        return f"There is no comparison of {arm} with the control."
    better = [
        f"{name} on {row['split']}"
        for row in mine
        for name in ("f1", "brier")
        if (row[f"{name}_less_control_low"] > 0 if name == "f1" else row[f"{name}_less_control_high"] < 0)
    ]
    worse = [
        f"{name} on {row['split']}"
        for row in mine
        for name in ("f1", "brier")
        if (row[f"{name}_less_control_high"] < 0 if name == "f1" else row[f"{name}_less_control_low"] > 0)
    ]
    liked = [row["preferred"] for row in mine if row["preferred"] == row["preferred"]]
    preferred = min(liked) if liked else float("nan")
    passed = bool(better) and not worse and preferred >= 0.6
    said = f"{100 * preferred:.0f}%" if liked else "no case, since no verdict differs,"
    return (
        f"{'RL becomes' if passed else 'RL does not become'} the default: better by an interval in"
        f" {', '.join(better) or 'nothing'}, worse in {', '.join(worse) or 'nothing'}; the held-out judge prefers it in"
        f" {said} (at least 60% are asked for)."
    )


def markdown(rows: Sequence[Mapping[str, Any]], about: Mapping[str, str]) -> str:
    """The table for people: F1 and preference in percent, with their intervals."""
    head = ["arm", "split", "seeds", "F1", "less the control", "Brier", "less the control", "ECE", "preferred to SFT"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for row in rows:

        def cell(name: str, scale: float, digits: int, row: Mapping[str, Any] = row) -> str:
            value, low, high = (row.get(key) for key in (name, f"{name}_low", f"{name}_high"))
            if value is None or value != value or low is None or high is None:
                return "–"
            return f"{scale * value:.{digits}f} ({scale * low:.{digits}f} to {scale * high:.{digits}f})"

        cells = [about.get(row["arm"], row["arm"]), row["split"], str(row["seeds"]), cell("f1", 100, 1)]
        cells += [cell("f1_less_control", 100, 1), cell("brier", 1, 4), cell("brier_less_control", 1, 4)]
        lines.append(f"| {' | '.join([*cells, cell('ece', 1, 4), cell('preferred', 100, 0)])} |")
    return "\n".join(lines) + "\n"
