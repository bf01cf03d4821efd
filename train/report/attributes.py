"""Attribute verdicts against two references: what a teacher said, and what rules derive from listings and label.

Balanced accuracy (mean recall over the classes that the reference uses; Brodersen et al. 2010) is 1/classes for a
student that knows nothing, whatever the shares of the classes are. Rows without a reference verdict are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from schemas.rationale import ATTRIBUTES, VERDICTS, Attribute, Verdict
from train.evaluation.metrics import CONFIDENCE, RESAMPLES
from train.pairs.pairs import Pair
from train.report.measures import rounded

Verdicts = Mapping[Attribute, Verdict]


@dataclass(frozen=True)
class Taught:
    """A pair that no stage of SFT saw, with the teacher's verdicts and those of the rules."""

    pair: Pair
    teacher: Verdicts
    rules: Verdicts
    hard: bool
    report_only: bool


def balanced(counts: Sequence[Sequence[int]], seed: int = 0) -> dict[str, Any]:
    """Balanced accuracy of a confusion table [reference][said] with a bootstrap interval within each class (95%)."""
    table = np.array(counts)
    totals = table.sum(axis=1)
    used = np.flatnonzero(totals)
    if not len(used):
        return {"balanced_accuracy": None, "balanced_accuracy_low": None, "balanced_accuracy_high": None, "classes": 0}
    recalls = table.diagonal()[used] / totals[used]
    # Resampling n rows of one class is drawing how many of them are right.
    draws = np.random.default_rng(seed).binomial(totals[used], recalls, size=(RESAMPLES, len(used))) / totals[used]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws.mean(axis=1), [tail, 1 - tail])
    return {
        "balanced_accuracy": rounded(recalls.mean()),
        "balanced_accuracy_low": rounded(low),
        "balanced_accuracy_high": rounded(high),
        "classes": len(used),
    }


def agreement(references: Iterable[Verdicts], said: Iterable[Verdicts]) -> dict[str, dict[str, Any]]:
    """Per attribute: confusion table [reference][said] in the order of ``VERDICTS``, n, n per class, balanced accuracy.

    A verdict that was not said counts as ``unknown``.
    """
    rows = list(zip(references, said, strict=True))
    found: dict[str, dict[str, Any]] = {}
    for name in ATTRIBUTES:
        known = [(reference[name], other.get(name, "unknown")) for reference, other in rows if name in reference]
        truth, answers = [first for first, _ in known], [second for _, second in known]
        table = confusion_matrix(truth, answers, labels=list(VERDICTS)) if known else np.zeros((3, 3), dtype=np.int64)
        found[name] = {
            "n": len(known),
            "n_per_class": dict(zip(VERDICTS, table.sum(axis=1).tolist(), strict=True)),
            "confusion": table.tolist(),
            **balanced(table.tolist()),
        }
    return found


def attribute_section(rows: Sequence[Taught], said: Sequence[Verdicts]) -> dict[str, Any]:
    """Agreement of the student with teacher and rules, and of the rules with the teacher, on three cuts of the rows.

    The cuts: hard negatives, all rows, and rows whose both products belong to the report alone. The rules know the
    label, the student does not.
    """
    cuts: dict[str, Callable[[Taught], bool]] = {
        "hard_negatives": lambda row: row.hard,
        "all": lambda row: True,
        "report_products": lambda row: row.report_only,
    }
    found: dict[str, Any] = {}
    for cut, holds in cuts.items():
        chosen = [(row, verdicts) for row, verdicts in zip(rows, said, strict=True) if holds(row)]
        picked, answers = [row for row, _ in chosen], [verdicts for _, verdicts in chosen]
        found[cut] = {
            "n": len(picked),
            "student_against_teacher": agreement([row.teacher for row in picked], answers),
            "student_against_rules": agreement([row.rules for row in picked], answers),
            "rules_against_teacher": agreement([row.teacher for row in picked], [row.rules for row in picked]),
        }
    return found
