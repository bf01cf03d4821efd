from __future__ import annotations

import numpy as np
import pytest

from train.evaluation.metrics import f1_along
from train.report.measures import best_threshold, f1_difference, measured, proportion

LABELS = np.array([1, 1, 0, 1, 0, 0], bool)
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.2, 0.1])


def test_a_row_by_hand() -> None:
    row = measured(LABELS, SCORES, 0.65)
    assert (row["n"], row["positives"], row["threshold"]) == (6, 3, 0.65)
    assert row["precision"] == row["recall"] == row["f1"] == pytest.approx(2 / 3, abs=1e-4)
    assert row["f1_low"] <= row["f1"] <= row["f1_high"]
    assert row["brier"] == pytest.approx(np.mean((SCORES - LABELS) ** 2), abs=1e-4)
    bare = measured(LABELS, SCORES, 0.65, probabilities=False)
    assert (bare["ece"], bare["brier"]) == (None, None)
    assert bare["average_precision"] == row["average_precision"]


def test_the_best_threshold_is_the_best_of_all() -> None:
    generator = np.random.default_rng(1)
    for _ in range(20):
        scores = np.round(generator.random(30), 1)  # with ties: a cut may not part equal scores
        labels = generator.random(30) < scores
        cut = best_threshold(labels, scores)
        every = [f1_along(labels, scores >= value) for value in np.unique(scores)]
        assert f1_along(labels, scores >= cut) == pytest.approx(max(every))
    assert best_threshold(LABELS, SCORES) == pytest.approx(0.4)
    assert best_threshold(LABELS & False, SCORES) == 0.5


def test_the_difference_is_paired() -> None:
    same = f1_difference(LABELS, SCORES >= 0.65, SCORES >= 0.65)
    assert (same["difference"], same["difference_low"], same["difference_high"]) == (0, 0, 0)
    labels = np.tile(LABELS, 40)
    better = f1_difference(labels, labels, np.tile(SCORES >= 0.65, 40))
    assert better["difference"] == pytest.approx(1 / 3, abs=1e-4)
    assert 0 < better["difference_low"] < better["difference"] < better["difference_high"]


def test_shares() -> None:
    row = proportion(3, 4)
    assert (row["n"], row["hits"], row["share"]) == (4, 3, 0.75)
    assert row["share_low"] < 0.75 < row["share_high"]
    assert proportion(0, 0)["share"] is None
