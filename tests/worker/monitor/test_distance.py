"""Distances of counts."""

from __future__ import annotations

import numpy as np
import pytest

from worker.monitor.distance import beyond_noise, g_statistic, moved, total_variation


def drawn(generator: np.random.Generator, n: int, shares: list[float]) -> dict[str, int]:
    return {f"b{place}": int(number) for place, number in enumerate(generator.multinomial(n, shares))}


def test_equal_shares_are_no_distance_whatever_the_sizes() -> None:
    assert total_variation({"a": 10, "b": 30}, {"a": 100, "b": 300}) == 0
    assert g_statistic({"a": 100, "b": 300}, {"a": 10_000, "b": 30_000}) < 0.1


def test_the_statistic_of_clean_counts_does_not_grow_with_them() -> None:
    generator = np.random.default_rng(0)
    shares = [0.5, 0.3, 0.15, 0.05]
    reference = drawn(generator, 1_000_000, shares)
    small = np.mean([g_statistic(drawn(generator, 100, shares), reference) for _ in range(300)])
    large = np.mean([g_statistic(drawn(generator, 10_000, shares), reference) for _ in range(300)])
    # Chi-squared with 3 degrees of freedom: 3 on average.
    assert small == pytest.approx(3, abs=0.7)
    assert large == pytest.approx(3, abs=0.7)


def test_a_bin_that_was_never_seen_is_far_and_finite() -> None:
    assert 10 < g_statistic({"new": 10}, {"a": 100}) < 1_000
    assert total_variation({"new": 10}, {"a": 100}) == 1


def test_noise_is_taken_off_and_a_shift_is_left() -> None:
    generator = np.random.default_rng(1)
    shares = [0.1] * 10
    clean = [beyond_noise(drawn(generator, 100, shares), drawn(generator, 1_000, shares)) for _ in range(100)]
    assert np.mean(clean) < 0.03
    assert beyond_noise({"a": 80, "b": 20}, {"a": 500, "b": 500}) > 0.2
    assert beyond_noise({}, {"a": 1}) == 0


def test_what_moved_most_comes_first() -> None:
    rows = moved({"a": 50, "b": 50}, {"a": 90, "b": 5, "c": 5})
    assert [row.bin for row in rows] == ["b", "a", "c"]
    assert rows[0].before == pytest.approx(0.05)
