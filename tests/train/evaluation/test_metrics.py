from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score

from train.evaluation.metrics import (
    average_precision,
    brier,
    expected_calibration_error,
    f1_along,
    f1_interval,
    match_counts,
)

LABELS = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool)
PREDICTED = np.array([1, 1, 0, 1, 0, 0, 0, 0], bool)


def test_counts_by_hand() -> None:
    found = match_counts(LABELS, PREDICTED)
    assert found.precision == found.recall == found.f1 == pytest.approx(2 / 3)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_counts_are_scikit_learns(rows: list[tuple[bool, bool]]) -> None:
    labels, predicted = np.array(rows, bool).T
    found = match_counts(labels, predicted)
    assert found.precision == pytest.approx(precision_score(labels, predicted, zero_division=0))
    assert found.recall == pytest.approx(recall_score(labels, predicted, zero_division=0))
    expected = f1_score(labels, predicted, zero_division=0)
    assert found.f1 == pytest.approx(expected)
    assert float(f1_along(labels, predicted)) == pytest.approx(expected)


def test_f1_along_an_axis() -> None:
    both = f1_along(LABELS[None, :], np.stack([PREDICTED, LABELS]))
    assert both.tolist() == pytest.approx([2 / 3, 1.0])


def test_the_interval_holds_f1_and_is_the_same_each_time() -> None:
    generator = np.random.default_rng(3)
    labels = generator.random(400) < 0.3
    predicted = labels ^ (generator.random(400) < 0.1)
    low, high = f1_interval(labels, predicted)
    assert low < match_counts(labels, predicted).f1 < high
    assert 0.04 < high - low < 0.2
    assert (low, high) == f1_interval(labels, predicted)
    assert f1_interval(labels, labels) == (1.0, 1.0)
    assert f1_interval(LABELS[:1], PREDICTED[:1]) == (1.0, 1.0)
    assert f1_interval(~labels & labels, ~labels & labels) == (0.0, 0.0)


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([0.01, 0.02, 0.03, 0.99, 1.0])
    labels = np.array([0, 0, 1, 1, 1], bool)
    # Bin one: share 3/5, mean 0.02, matches 1/3; last bin: share 2/5, mean 0.995, matches 1.
    expected = 3 / 5 * (1 / 3 - 0.02) + 2 / 5 * 0.005
    assert expected_calibration_error(labels, probabilities) == pytest.approx(expected)
    assert expected_calibration_error(labels[:0], probabilities[:0]) == 0.0


def test_average_precision_by_hand() -> None:
    probabilities = np.array([0.9, 0.8, 0.7, 0.6])
    labels = np.array([1, 0, 1, 0], bool)
    assert average_precision(labels, probabilities) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(4, bool), probabilities) == 0.0


def test_brier_by_hand() -> None:
    assert brier(np.array([1, 0], bool), np.array([0.8, 0.4])) == pytest.approx((0.04 + 0.16) / 2)
    assert brier(np.array([0, 0], bool), np.array([0.5, 0.1])) == pytest.approx(0.13)
    assert brier(np.array([], bool), np.array([])) == 0.0
