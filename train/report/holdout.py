"""Runs that were trained with something held out: a whole set, or products; read from the scores they left behind.

A folder holds, for each run, ``NAME.json`` (what the run was) and ``NAME.jsonl.gz`` (one scored pair a line: origin,
split, pair_id, label, uncalibrated logit). Calibration and threshold of a left-out set come from the pooled validation
pairs of the *other* sets in the same file; the threshold that the test itself would choose is shown as an oracle only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from scipy.special import expit

from train.calibration.fit import Fitted, UncalibratableError, fit
from train.calibration.prior import shifted
from train.calibration.shift import estimated_share
from train.evaluation.metrics import Bools, Floats
from train.pairs.pairs import PairFileError, read_rows
from train.report.measures import best_threshold, f1_at, measured, rounded

Split = tuple[str, str]
"""Origin and split: valid, test or by-product."""


@dataclass(frozen=True)
class HeldOutRun:
    """One run: its facts, and scores of each set and split as (logits [pairs], labels [pairs])."""

    name: str
    facts: Mapping[str, Any]
    scores: Mapping[Split, tuple[Floats, Bools]]

    @property
    def left_out(self) -> list[str]:
        """Origins that the run was not trained on at all."""
        return [str(name) for name in self.facts.get("left_out") or ()]


def grouped(rows: Sequence[Mapping[str, Any]]) -> dict[Split, tuple[Floats, Bools]]:
    """Rows of scored pairs by origin and split. Raises KeyError for a row that lacks a field."""
    found: dict[Split, list[tuple[float, bool]]] = {}
    for row in rows:
        found.setdefault((row["origin"], row["split"]), []).append((float(row["logit"]), row["label"] == 1))
    return {
        split: (np.array([logit for logit, _ in pairs]), np.array([label for _, label in pairs], dtype=np.bool_))
        for split, pairs in found.items()
    }


def read_runs(folder: Path) -> list[HeldOutRun]:
    """All runs of a folder, by name; none where there is no such folder.

    Raises:
        PairFileError: a file cannot be read, or its rows are not scores.
    """
    runs = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        scores = path.with_suffix(".jsonl.gz")
        if not scores.exists():
            continue
        try:
            facts = orjson.loads(path.read_bytes())
            runs.append(HeldOutRun(path.stem, facts, grouped(list(read_rows(scores)))))
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise PairFileError(f"{path} or {scores.name}: no scores of a held-out run ({error!r})") from error
    return runs


def transferred(run: HeldOutRun, name: str) -> dict[str, Any]:
    """Measures on the test pairs of a set, with calibration and threshold from the validation of the other sets.

    ``oracle_f1`` is F1 at the threshold that these very test pairs would choose: no result, only how much a threshold
    costs.

    Raises:
        UncalibratableError: the other sets' validation pairs allow no threshold.
    """
    others = {origin: scores for (origin, split), scores in run.scores.items() if split == "valid" and origin != name}
    fitted = fit(others, f"validation of {', '.join(others)}")
    logits, labels = run.scores[name, "test"]
    probabilities = probabilities_of(logits, fitted.calibration.a, fitted.calibration.b)
    found = measured(labels, probabilities, fitted.thresholds.match)
    oracle = best_threshold(labels, probabilities)
    return {
        "run": run.name,
        "threshold_from": sorted(others),
        **found,
        "oracle_f1": f1_at(labels, probabilities >= oracle)["f1"],
        "adapted": adapted_to(run, name, fitted, others),
    }


def adapted_to(
    run: HeldOutRun, name: str, fitted: Fitted, others: Mapping[str, tuple[Floats, Bools]]
) -> dict[str, Any] | None:
    """The same with the map moved to the left-out set's share of matches, which its *unlabelled* validation pairs say.

    The threshold stays. None without such pairs.
    """
    unlabelled = run.scores.get((name, "valid"))
    if unlabelled is None:
        return None
    fitted_share = float(np.mean([labels.mean() for _, labels in others.values()]))
    share = estimated_share(unlabelled[0], fitted.calibration, fitted_share)
    moved = shifted(fitted.calibration, fitted_share, share)
    logits, labels = run.scores[name, "test"]
    probabilities = probabilities_of(logits, moved.a, moved.b)
    return {"share": rounded(share), **measured(labels, probabilities, fitted.thresholds.match)}


def by_product(run: HeldOutRun) -> dict[str, dict[str, Any]]:
    """Measures on the pairs of products that the run never saw, with calibration and threshold from all validation."""
    valid = {origin: scores for (origin, split), scores in run.scores.items() if split == "valid"}
    fitted = fit(valid, f"validation of {', '.join(valid)}")
    found = {}
    for (origin, split), (logits, labels) in sorted(run.scores.items()):
        if split == "by-product":
            probabilities = probabilities_of(logits, fitted.calibration.a, fitted.calibration.b)
            found[origin] = {"run": run.name, **measured(labels, probabilities, fitted.thresholds.match)}
    return found


def probabilities_of(logits: Floats, a: float, b: float) -> Floats:
    """Platt's sigmoid of logits [pairs]; a pair without a readable answer has probability 0."""
    return np.nan_to_num(np.asarray(expit(a * logits + b), dtype=np.float64), nan=0.0)


def holdout_section(runs: Sequence[HeldOutRun]) -> dict[str, Any]:
    """``sets``: each left-out set; ``products``: each set by product; ``failed``: runs that gave no number, and why."""
    sets: dict[str, Any] = {}
    products: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for run in runs:
        try:
            for name in run.left_out:
                if (name, "test") in run.scores:
                    sets[name] = transferred(run, name)
            if any(split == "by-product" for _, split in run.scores):
                products.update(by_product(run))
        except UncalibratableError as error:
            failed[run.name] = str(error)
    return {"sets": sets, "products": products, "failed": failed}
