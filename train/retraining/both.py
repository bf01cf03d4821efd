"""Two students judge the same pairs, each with its own calibration and threshold, through the serving engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from train.evaluation.evaluate import Progress, judge_pairs
from train.pairs.pairs import Pair
from train.retraining.verdict import Judged
from worker.student.student import Student


def judge_both(old: Student, new: Student, pairs: Sequence[Pair], progress: Progress = lambda _: None) -> Judged:
    """Judge all pairs with both; a pair without a readable answer has probability 0 and is no match."""
    scored = [judge_pairs(student, pairs, progress=progress) for student in (old, new)]
    probabilities = [np.nan_to_num(each.probabilities(), nan=0.0) for each in scored]
    matches = [
        found >= student.manifest.thresholds.match for found, student in zip(probabilities, (old, new), strict=True)
    ]
    return Judged(scored[0].labels(), probabilities[0], probabilities[1], matches[0], matches[1])
