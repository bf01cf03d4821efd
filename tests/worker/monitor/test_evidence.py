"""Evidence that may be looked at at any time: uniform ranks, fair bets, and the bound on false alarms."""

from __future__ import annotations

import math
from bisect import insort

import numpy as np
import pytest
from scipy.stats import kstest

from worker.monitor.evidence import POWERS, STEPS, Detector, bets, p_value, threshold_log10, uniform


def test_ranks_of_exchangeable_scores_are_uniform_even_with_ties() -> None:
    generator = np.random.default_rng(0)
    for draws in (generator.normal(size=1_500), generator.integers(3, size=1_500)):
        scores: list[float] = []
        found = []
        for number, score in enumerate(map(float, draws)):
            found.append(p_value(scores, score, uniform("seed", number)))
            insort(scores, score)
        assert kstest(found[10:], "uniform").pvalue > 0.01


def test_a_score_beyond_all_others_is_as_rare_as_its_rank() -> None:
    assert p_value([1.0] * 99, 2.0, 0.5) == pytest.approx(0.005)
    assert p_value([1.0] * 99, 0.0, 0.5) == pytest.approx(0.995)


def test_every_bet_is_fair() -> None:
    for place, power in enumerate(POWERS):
        # With p = u^(1/e) the bet's density over u is 1 everywhere, so that its mean over a uniform p is 1.
        for u in (0.01, 0.3, 0.9):
            assert bets(u ** (1 / power))[place] * u ** (1 / power - 1) / power == pytest.approx(1)
    for place, step in enumerate(STEPS):
        below, above = bets(0.5 / step)[len(POWERS) + place], bets(1.0)[len(POWERS) + place]
        assert below / step + above * (1 - 1 / step) == pytest.approx(1)


def test_false_alarms_stay_below_the_bound_however_often_it_is_looked() -> None:
    generator = np.random.default_rng(1)
    streams, units, level = 600, 150, 1_000.0
    crossed = 0
    for _ in range(streams):
        detector = Detector()
        for p in generator.random(units):
            detector.update(float(p))
            if detector.log10 >= math.log10(level):
                crossed += 1
                break
    # P(M >= c within T) <= T / c = 0.15; a bet too many would show.
    assert crossed / streams <= units / level
    assert crossed > 0


def test_small_p_values_raise_it_within_a_few_units_and_large_ones_calm_it() -> None:
    detector = Detector()
    for _ in range(5):
        detector.update(0.005)
    assert detector.log10 > 6
    assert not detector.calm
    for _ in range(30):
        detector.update(0.9)
    assert detector.calm


def test_it_stays_finite() -> None:
    detector = Detector()
    for _ in range(500):
        detector.update(1e-9)
    assert detector.log10 == 300


def test_the_threshold_is_shared_out() -> None:
    assert threshold_log10(0.001, 0.01) == pytest.approx(5)
    with pytest.raises(ValueError, match="weight"):
        threshold_log10(0.001, 0.0)
