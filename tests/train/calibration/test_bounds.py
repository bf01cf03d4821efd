from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from train.calibration.bounds import effective_pairs, lower_bound, upper_bound


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 300))
def test_the_bound_is_the_exact_one(hits: int, more: int) -> None:
    pairs = hits + more - 1 or 1
    hits = min(hits, pairs)
    exact = binomtest(hits, pairs, alternative="greater").proportion_ci(0.95, method="exact").low
    assert float(lower_bound(hits, pairs)) == pytest.approx(exact, abs=1e-9)
    assert float(upper_bound(hits, pairs)) == pytest.approx(1 - lower_bound(pairs - hits, pairs))


def test_a_share_below_its_bound_is_rare() -> None:
    """At most 5% of samples, whatever share is true; next to it, since counts are coarse."""
    generator = np.random.default_rng(4)
    for share in (0.6, 0.9, 0.97):
        hits = generator.binomial(250, share, 20_000)
        assert 0.01 < float(np.mean(lower_bound(hits, np.full(20_000, 250)) > share)) < 0.054


def test_effective_pairs() -> None:
    assert effective_pairs(10.0, 10.0) == 10
    assert effective_pairs([0.0, 4.0], [0.0, 10.0]).tolist() == [0.0, 1.6]
    assert lower_bound(0, 0) == 0
    assert upper_bound(0, 0) == 1
