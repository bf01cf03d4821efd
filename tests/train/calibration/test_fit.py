from __future__ import annotations

import numpy as np
import pytest

from train.calibration.fit import UncalibratableError, fit
from train.evaluation.metrics import Bools, Floats


def drawn(a: float, b: float, pairs: int, seed: int) -> tuple[Floats, Bools]:
    """Logits, and labels that are matches with probability sigmoid(a x logit + b)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, pairs)
    return logits, generator.random(pairs) < 1 / (1 + np.exp(-(a * logits + b)))


def test_a_known_map_is_found_again() -> None:
    fitted = fit({"one": drawn(0.7, -1.2, 4_000, 1), "two": drawn(0.7, -1.2, 4_000, 2)}, "drawn")
    assert fitted.calibration.a == pytest.approx(0.7, abs=0.12)
    assert fitted.calibration.b == pytest.approx(-1.2, abs=0.12)
    assert fitted.calibration.fitted_on == "drawn"
    assert fitted.thresholds.match is not None
    assert 0.25 < fitted.thresholds.match < 0.6
    assert set(fitted.validation_f1) == {"one", "two"}


def test_each_set_has_the_same_weight() -> None:
    """A set of twenty times the pairs does not drown the other."""
    small, large = drawn(1.0, -2.0, 300, 1), drawn(1.0, 2.0, 6_000, 2)
    assert abs(fit({"small": small, "large": large}, "x").calibration.b) < 0.6


def test_a_student_without_doubt_has_a_threshold() -> None:
    logits = np.array([-90.0, -80.0, 80.0, 90.0] * 20)
    fitted = fit({"x": (logits, logits > 0)}, "x")
    assert fitted.thresholds.match == 0.5
    assert fitted.validation_f1 == {"x": 1.0}


def test_what_allows_no_calibration() -> None:
    logits, labels = drawn(1.0, 0.0, 200, 3)
    for one_class in (np.ones(200, bool), np.zeros(200, bool)):
        with pytest.raises(UncalibratableError, match="one needs both matches and non-matches"):
            fit({"one": (logits, one_class)}, "x")
    with pytest.raises(UncalibratableError, match="no better than chance"):
        fit({"one": (-logits, labels)}, "x")
    with pytest.raises(UncalibratableError, match="without a readable answer"):
        fit({"one": (np.where(labels, np.nan, logits), labels)}, "x")
