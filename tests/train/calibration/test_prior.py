from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from schemas.bundle import Calibration
from train.calibration.fit import apply, fit
from train.calibration.prior import corrected, log_odds, sampling_log_odds, seen_rates, shifted, without_validation


def test_by_hand() -> None:
    """Positives seen twice and one negative in ten: odds twenty times too high."""
    assert sampling_log_odds(2, 0.1) == pytest.approx(np.log(20))
    logits = np.array([0.0, 3.0])
    assert corrected(logits, 2, 0.1) == pytest.approx(logits - np.log(20))
    assert corrected(logits, *seen_rates(np.array([True, False]), 0.1, True)) == pytest.approx(
        [-np.log(20), 3 - np.log(2)]
    )
    assert seen_rates(np.array([True]), 0.5, False)[0] == 1
    for rates in ((0, 1), (1, 0), (1, -1)):
        with pytest.raises(ValueError, match="above 0"):
            sampling_log_odds(*rates)


def test_the_truth_is_found_again_from_a_subsample() -> None:
    """A logistic fit to thinned pairs is off by the log of the sampling odds, and by nothing else."""
    generator = np.random.default_rng(5)
    truth = generator.normal(-2, 2, 60_000)
    labels = generator.random(60_000) < expit(truth)
    kept = labels | (generator.random(60_000) < 0.2)
    thinned = fit({"x": (truth[kept], labels[kept])}, "x").calibration
    trained = thinned.a * truth + thinned.b
    right = corrected(trained, 1, 0.2)
    assert thinned.b == pytest.approx(np.log(5), abs=0.1)
    assert expit(trained).mean() > 1.5 * labels.mean()
    assert expit(right).mean() == pytest.approx(labels.mean(), abs=0.01)


def test_platts_intercept_has_taken_the_sampling_in() -> None:
    """Corrected or not, the fitted map gives the same probabilities: correcting on top of it would count twice."""
    generator = np.random.default_rng(6)
    logits = generator.normal(0, 3, 3_000)
    labels = generator.random(3_000) < expit(0.8 * logits - 2)
    raw = fit({"x": (logits, labels)}, "x").calibration
    moved = fit({"x": (corrected(logits, 2, 0.1), labels)}, "x").calibration
    assert moved.b == pytest.approx(raw.b + raw.a * float(np.log(20)), abs=1e-3)
    assert apply(moved, corrected(logits, 2, 0.1)) == pytest.approx(apply(raw, logits), abs=1e-4)


def test_a_student_without_validation_pairs() -> None:
    calibration = without_validation(2, 0.1)
    assert calibration.apply(float(np.log(20))) == pytest.approx(0.5)
    assert without_validation(1, 1).b == 0


def test_a_stream_with_fewer_matches() -> None:
    generator = np.random.default_rng(7)
    logits = np.concatenate([generator.normal(2, 1.5, 4_000), generator.normal(-2, 1.5, 4_000)])
    labels = np.arange(8_000) < 4_000
    even = fit({"x": (logits, labels)}, "x").calibration
    few = np.concatenate([np.arange(400), np.arange(4_000, 8_000)])
    stream = shifted(even, 0.5, 400 / 4_400)
    assert apply(stream, logits[few]).mean() == pytest.approx(400 / 4_400, abs=0.01)
    assert apply(even, logits[few]).mean() > 0.11
    assert shifted(Calibration(), 0.3, 0.3).b == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        log_odds(1.0)
