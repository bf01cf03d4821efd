from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.bundle import Calibration
from train.calibration.shift import adapted, estimated_share
from train.evaluation.metrics import Bools, Floats

IDENTITY = Calibration(a=1.0, b=0.0, fitted_on="simulated")


def simulated(share: float, pairs: int, seed: int) -> tuple[Floats, Bools]:
    """Logits that are calibrated at a share of one half: normals around d and -d have log odds 2 d x."""
    random = np.random.default_rng(seed)
    labels = random.random(pairs) < share
    return 3.0 * random.normal(np.where(labels, 1.5, -1.5)), labels


@given(share=st.floats(0.05, 0.95), seed=st.integers(0, 100))
def test_the_share_is_recovered_without_labels(share: float, seed: int) -> None:
    logits, labels = simulated(share, 5_000, seed)
    assert estimated_share(logits, IDENTITY, 0.5) == pytest.approx(labels.mean(), abs=0.02)


def test_the_moved_map_is_calibrated_where_the_old_one_is_not() -> None:
    logits, labels = simulated(0.1, 20_000, 7)
    before = 1 / (1 + np.exp(-logits))
    moved = adapted(logits, IDENTITY, 0.5)
    after = 1 / (1 + np.exp(-(moved.a * logits + moved.b)))
    assert abs(before.mean() - labels.mean()) > 0.04
    assert after.mean() == pytest.approx(labels.mean(), abs=0.005)


def test_pairs_without_an_answer_are_left_out_and_none_at_all_is_refused() -> None:
    logits, _ = simulated(0.3, 2_000, 1)
    assert estimated_share(np.append(logits, np.nan), IDENTITY, 0.5) == estimated_share(logits, IDENTITY, 0.5)
    with pytest.raises(ValueError, match="no pair has a score"):
        estimated_share(np.array([np.nan]), IDENTITY, 0.5)


def test_a_share_stays_off_its_ends() -> None:
    assert estimated_share(np.full(50, -40.0), IDENTITY, 0.5) == 0.005
