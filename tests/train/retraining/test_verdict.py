from __future__ import annotations

import numpy as np
import pytest

from train.retraining.verdict import MIN_HELD, Judged, judge, log_losses, loss_difference


def judged(old_noise: float, new_noise: float, pairs: int = 200, seed: int = 0) -> Judged:
    """Probabilities whose logits are the label and noise: the more noise, the worse the student."""
    rng = np.random.default_rng(seed)
    labels = np.arange(pairs) % 4 == 0
    sides = [
        1 / (1 + np.exp(-(np.where(labels, 3.0, -3.0) + noise * rng.normal(size=pairs))))
        for noise in (old_noise, new_noise)
    ]
    return Judged(labels, sides[0], sides[1], sides[0] >= 0.5, sides[1] >= 0.5)


def test_a_better_student_passes() -> None:
    found = judge(judged(4, 1), {"old set": judged(1, 1, seed=1)})
    assert found.better, found.reasons
    assert found.numbers["held"]["log_loss"]["high"] < 0


def test_an_equal_one_is_refused_for_nothing_is_shown() -> None:
    found = judge(judged(2, 2), {})
    assert not found.better
    assert "not better on held-out labels" in found.reasons[0]


def test_one_that_forgot_the_old_sets_is_refused() -> None:
    found = judge(judged(4, 1), {"old set": judged(1, 6, seed=1)})
    assert not found.better
    assert any(reason.startswith("harm on validation: log loss") for reason in found.reasons)
    assert any(reason.startswith("harm on validation: mean F1") for reason in found.reasons)


@pytest.mark.parametrize("pairs", [0, MIN_HELD - 1])
def test_too_few_labels_show_nothing(pairs: int) -> None:
    found = judge(judged(4, 1, pairs), {})
    assert not found.better
    assert "not shown" in found.reasons[0]


def test_labels_of_one_kind_show_nothing() -> None:
    one = judged(4, 1)
    kept = ~one.labels
    no_matches = Judged(one.labels[kept], one.old[kept], one.new[kept], one.old_matches[kept], one.new_matches[kept])
    assert not judge(no_matches, {}).better


def test_log_loss_by_hand() -> None:
    losses = log_losses(np.array([True, False]), np.array([0.5, 0.75]))
    assert losses == pytest.approx([np.log(2), np.log(4)])
    assert np.isfinite(log_losses(np.array([True]), np.array([0.0]))).all()


def test_the_same_student_twice_differs_by_nothing() -> None:
    one = judged(2, 2)
    found = loss_difference(Judged(one.labels, one.old, one.old, one.old_matches, one.old_matches))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
