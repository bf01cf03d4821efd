from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from train.calibration.curves import brier_skill, calibrated_ece_range, reliability, risk_coverage, summary
from train.evaluation.metrics import Bools, Floats, brier, expected_calibration_error


def honest(pairs: int, seed: int) -> tuple[Bools, Floats]:
    """Labels that are drawn from their probabilities."""
    generator = np.random.default_rng(seed)
    probabilities = generator.beta(0.4, 0.8, pairs)
    return generator.random(pairs) < probabilities, probabilities


def test_the_ece_of_an_honest_model_is_inside_its_range_in_19_of_20_cases() -> None:
    inside = 0
    for seed in range(100):
        labels, probabilities = honest(300, seed)
        low, high = calibrated_ece_range(probabilities, draws=200, seed=seed + 1)
        inside += low <= expected_calibration_error(labels, probabilities) <= high
    assert 87 <= inside <= 99  # 95 expected, standard deviation 2.2


def test_the_ece_of_an_overconfident_model_is_above_the_range() -> None:
    labels, probabilities = honest(2_000, 1)
    odds = probabilities / (1 - probabilities)
    assert summary(labels, probabilities)["ece_inside"]
    assert not summary(labels, odds**2.5 / (1 + odds**2.5))["ece_inside"]


def test_reliability_bins_add_up_to_the_ece() -> None:
    labels, probabilities = honest(900, 2)
    bins = reliability(labels, probabilities)
    assert sum(each.pairs for each in bins) == 900
    error = sum(each.pairs * abs(each.mean_probability - each.share_of_matches) for each in bins) / 900
    assert error == pytest.approx(expected_calibration_error(labels, probabilities))
    for each in bins:
        assert each.low <= each.mean_probability <= each.high
        assert each.share_low <= each.share_of_matches <= each.share_high


def test_certain_probabilities_fall_into_the_outer_bins() -> None:
    bins = reliability(np.array([False, True]), np.array([0.0, 1.0]), bins=10)
    assert [(each.low, each.high) for each in bins] == [(0.0, 0.1), (0.9, 1.0)]


def test_brier_skill() -> None:
    labels = np.array([True, False, False, False])
    assert brier_skill(labels, labels.astype(float)) == 1
    assert brier_skill(labels, np.full(4, 0.25)) == 0
    assert brier_skill(labels, np.full(4, 0.5)) < 0
    assert brier_skill(labels, np.full(4, 0.25), base_rate=0.5) > 0
    assert brier_skill(np.ones(3, bool), np.full(3, 0.9)) == 0


def test_risk_coverage_by_hand() -> None:
    """Confidences 0.9 (right), 0.8 (wrong), 0.7 and 0.7 (one right, one wrong); the threshold lies off 0.5."""
    labels = np.array([True, False, False, True])
    curve = risk_coverage(labels, np.array([0.9, 0.8, 0.3, 0.3]), 0.4)
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk == pytest.approx([0, 1 / 2, 1.5 / 3, 2 / 4])
    assert curve.aurc == pytest.approx(0.375)
    assert curve.aurc_best == pytest.approx((0 + 0 + 1 / 3 + 2 / 4) / 4)
    assert (curve.at(0.5), curve.at(0.51), curve.at(1.0)) == pytest.approx((0.5, 0.5, 0.5))
    # Below 0.5 a match is the less sure the lower its probability.
    assert risk_coverage(labels, np.array([0.9, 0.8, 0.45, 0.3]), 0.4).confidence[-1] == 0.45


@settings(deadline=None)  # a busy machine is no defect
@given(
    arrays(bool, 40),
    arrays(float, 40, elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])),
    st.floats(0, 1),
    st.permutations(range(40)),
)
def test_the_curve_does_not_depend_on_the_order_of_pairs(
    labels: Bools, probabilities: Floats, threshold: float, order: list[int]
) -> None:
    curve = risk_coverage(labels, probabilities, threshold)
    other = risk_coverage(labels[order], probabilities[order], threshold)
    assert curve.risk == pytest.approx(other.risk)
    assert 0 <= curve.aurc_best <= curve.aurc + 1e-12 <= 1 + 1e-12
    assert curve.risk[-1] == pytest.approx(np.mean((probabilities >= threshold) != labels))
    assert (np.diff(curve.confidence) <= 0).all()


def test_summary_names_the_same_numbers() -> None:
    labels, probabilities = honest(500, 3)
    found = summary(labels, probabilities)
    assert found["brier"] == pytest.approx(brier(labels, probabilities), abs=1e-4)
    assert found["ece_calibrated_low"] < found["ece_calibrated_high"]
    assert found["pairs"] == 500


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="as many labels as probabilities"):
        reliability(np.array([True]), np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match="and some"):
        risk_coverage(np.array([], bool), np.array([]), 0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        brier_skill(np.array([True]), np.array([np.nan]))
