from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from train.calibration.methods import METHODS, Scored, compare, pooled
from train.evaluation.metrics import Bools, Floats

GRID = np.linspace(-15, 15, 301)


def drawn(pairs: int, seed: int, bend: float = 0.0, b: float = -1.0) -> tuple[Floats, Bools]:
    """Labels from the slope 0.8 - bend below 0 and 0.8 + bend above it, with the intercept b."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, pairs)
    return logits, generator.random(pairs) < expit(0.8 * logits + bend * np.abs(logits) + b)


@pytest.mark.parametrize("name", METHODS)
@given(st.integers(0, 10_000), st.floats(-0.5, 0.5))
@settings(max_examples=10, deadline=None)
def test_no_method_changes_the_order(name: str, seed: int, bend: float) -> None:
    logits, labels = drawn(60, seed, bend)
    if labels.all() or not labels.any() or np.corrcoef(logits, labels)[0, 1] <= 0:
        return
    found = METHODS[name](logits, labels, np.ones(60))(GRID)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= -1e-12).all()


@pytest.mark.parametrize("name", ["platt", "beta", "isotonic"])
def test_a_known_map_is_found_again(name: str) -> None:
    logits, labels = drawn(20_000, 1)
    inner = GRID[np.abs(GRID) < 5]
    found = METHODS[name](logits, labels, np.ones(20_000))(inner)
    assert found == pytest.approx(expit(0.8 * inner - 1), abs=0.09 if name == "isotonic" else 0.03)


def test_beta_finds_two_slopes() -> None:
    logits, labels = drawn(20_000, 2, bend=0.5)
    truth = expit(0.8 * GRID + 0.5 * np.abs(GRID) - 1)
    errors = {name: np.abs(METHODS[name](logits, labels, np.ones(20_000))(GRID) - truth).max() for name in METHODS}
    assert errors["beta"] < 0.08
    assert errors["beta"] < errors["platt"] / 2


def test_each_set_weighs_the_same() -> None:
    logits, labels, weights = pooled({"a": drawn(100, 1), "b": drawn(300, 2)})
    assert len(logits) == len(labels) == 400
    assert weights[:100].sum() == pytest.approx(weights[100:].sum())
    assert weights.sum() == pytest.approx(400)


def test_a_better_form_is_told_from_noise() -> None:
    sets: list[Scored] = [{name: drawn(2_000, seed, bend) for seed, name in enumerate("abc")} for bend in (0.0, 0.6)]
    straight, bent = map(compare, sets)
    assert not any(found["better"] for found in straight.values())
    assert straight["platt"]["over_platt"] == 0
    assert bent["beta"]["better"]
    assert not bent["temperature"]["better"]
    with pytest.raises(ValueError, match="two or more"):
        compare({"a": drawn(100, 1)})
