"""The comparison of the forms of the answer: pure functions from runs to a table.

Two halves of each set's pairs: calibration and threshold of one half come from the other, so that no
pair chooses its own threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from train.calibration.fit import apply, fit
from train.evaluation.metrics import CONFIDENCE, RESAMPLES, Bools, Floats, f1_along, f1_interval

SECTION = "forms"
BASELINE = "parallel"


@dataclass(frozen=True)
class Judged:
    """Pairs of one set: labels, verdicts and calibrated probabilities, [pairs]."""

    labels: Bools
    said: Bools
    probabilities: Floats

    @property
    def log_loss(self) -> float:
        right = np.where(self.labels, self.probabilities, 1 - self.probabilities)
        return float(-np.log(np.clip(right, 1e-9, 1)).mean())

    def f1(self) -> float:
        return float(f1_along(self.labels, self.said))


def halves_of(labels: Bools) -> npt.NDArray[np.int64]:
    """0 or 1 for each pair, so that each half has half of the matches: matches and non-matches in turn."""
    halves = np.zeros(len(labels), np.int64)
    for each in (labels, ~labels):
        halves[each] = np.arange(int(each.sum())) % 2
    return halves


def cross_judged(scores: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Judged]:
    """``{set: {logits, labels}}`` to verdicts, each pair by the calibration and threshold of the other half."""
    sets = {
        name: (np.array(given["logits"], dtype=np.float64), np.array(given["labels"]) == 1)
        for name, given in scores.items()
    }
    halves = {name: halves_of(labels) for name, (_, labels) in sets.items()}
    found = {
        name: Judged(labels, np.zeros_like(labels), np.zeros_like(logits)) for name, (logits, labels) in sets.items()
    }
    for half in (0, 1):
        others = {name: (x[halves[name] != half], y[halves[name] != half]) for name, (x, y) in sets.items()}
        fitted = fit(others, f"half {1 - half}")
        for name, (logits, _) in sets.items():
            mine = halves[name] == half
            probabilities = apply(fitted.calibration, logits[mine])
            found[name].probabilities[mine] = probabilities
            found[name].said[mine] = probabilities >= fitted.thresholds.match
    return found


def mean_f1(sets: Mapping[str, Judged], picked: Mapping[str, npt.NDArray[np.int64]] | None = None) -> Floats:
    """Mean F1 over the sets, of all pairs or of resamples of them [resamples]."""
    values = [
        f1_along(each.labels[picked[name]], each.said[picked[name]]) if picked else f1_along(each.labels, each.said)
        for name, each in sets.items()
    ]
    return np.asarray(np.mean(values, axis=0), dtype=np.float64)


def difference(one: Mapping[str, Judged], other: Mapping[str, Judged], seed: int = 0) -> tuple[float, float, float]:
    """Mean F1 of one form minus the other's on the same pairs, with its percentile bootstrap interval (paired)."""
    rng = np.random.default_rng(seed)
    picked = {name: rng.integers(0, len(each.labels), (RESAMPLES, len(each.labels))) for name, each in one.items()}
    low, high = np.quantile(mean_f1(one, picked) - mean_f1(other, picked), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(mean_f1(one) - mean_f1(other)), float(low), float(high)


def rows_of(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a run, by seed and form; ``against`` compares with the parallel run of the same seed, if there is one."""
    judged = {(run["seed"], run["form"]): cross_judged(run["scores"]) for run in runs}
    rows = []
    for run in sorted(runs, key=lambda run: (run["seed"], run["form"] != BASELINE, run["form"])):
        mine, base = judged[run["seed"], run["form"]], judged.get((run["seed"], BASELINE))
        rows.append(
            {
                "form": run["form"],
                "seed": run["seed"],
                "steps": run["steps"],
                "stopped_by": run["stopped_by"],
                "tokens": run["seen"]["tokens"],
                "examples": run["seen"]["examples"],
                "f1": {name: (each.f1(), *f1_interval(each.labels, each.said)) for name, each in mine.items()},
                "mean_f1": float(mean_f1(mine)),
                "log_loss": float(np.mean([each.log_loss for each in mine.values()])),
                "suffix_tokens": run["suffix_tokens"],
                "pairs_per_second": run["pairs_per_second"],
                "against": difference(mine, base) if base and run["form"] != BASELINE else None,
            }
        )
    return rows


def section(rows: Sequence[Mapping[str, Any]]) -> str:
    """The section of a Markdown page: the table, and which form stays."""
    names = list(rows[0]["f1"])
    head = ["form", "seed", *(f"F1 {name}" for name in names), "mean F1", "less parallel", "log loss", "tokens trained"]
    head += ["pairs trained", "suffix tokens", "pairs/s"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    better = []
    for row in rows:
        against = row["against"]
        if against is not None and against[1] > 0:
            better.append(f"{row['form']} (seed {row['seed']})")
        cells = [
            row["form"],
            str(row["seed"]),
            *(f"{100 * value:.1f} ({100 * low:.1f}–{100 * high:.1f})" for value, low, high in row["f1"].values()),
            f"{100 * row['mean_f1']:.1f}",
            "–" if against is None else "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * value for value in against)),
            f"{row['log_loss']:.4f}",
            f"{row['tokens']:,}" + ("" if row["stopped_by"] == "steps" else f" (ended by {row['stopped_by']})"),
            f"{row['examples']:,}",
            f"{row['suffix_tokens']:.0f}",
            f"{row['pairs_per_second']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    verdict = (
        f"Better than parallel slots by more than its interval: {', '.join(better)}."
        if better
        else "No form is better than parallel slots by more than its interval, so parallel slots stay."
    )
    return f"""## The form of the answer

Three forms, trained on equal tokens (rows of at most 384 tokens, the same pairs and seeds) and judged on a sample of
the validation sets, never on a test: six labels side by side, of which none sees another's verdict (*parallel*); each
attribute's verdict fed back before the answer (*feedback*: the true verdict in training, the likeliest in judging);
the answer alone (*answer*). F1 in percent with its 95% bootstrap interval; calibration and threshold of each half of
the pairs come from the other half. *Less parallel* is the difference of the mean F1 on the same pairs, with the
interval of a paired bootstrap over pairs (it does not hold what another seed would change). Feedback is judged in six
passes here; with a cache it would be one pass and five steps.

{chr(10).join(lines)}

{verdict} `python -m benchmarks.forms` makes these runs and this table.
"""
