from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from worker.labeling.estimate import Drawn, Interval, quality, ratio, share, total


def drawn(predicted: bool, truth: bool | None, inclusion: float = 0.5, *, uniform: bool = False) -> Drawn:
    return Drawn(predicted, truth, inclusion, 0.02, uniform)


def test_with_equal_weights_a_total_has_the_exact_interval_of_a_poisson_count() -> None:
    # Chances near 0: the count is Poisson, and its exact bounds are where the tails hold 2.5%.
    found = total(np.full(4, 1000.0), 1000.0)
    assert found.value == 4000
    assert poisson.sf(3, found.low / 1000) == pytest.approx(0.025, abs=2e-4)
    assert poisson.cdf(4, found.high / 1000) == pytest.approx(0.025, abs=2e-4)


def test_where_nothing_was_seen_the_heaviest_weight_bounds_what_there_is() -> None:
    found = total([], 50.0)
    assert (found.value, found.low) == (0, 0)
    # The rule of three, two-sided: -ln(0.025) = 3.69 heaviest weights.
    assert found.high == pytest.approx(3.69 * 50, rel=0.03)


def test_of_a_census_all_is_known() -> None:
    assert total(np.ones(7), 1.0) == Interval(7, 7, 7)
    found = share(np.ones(9), np.ones(1), 1.0)
    assert (found.low, found.value, found.high) == pytest.approx((0.9, 0.9, 0.9))


def test_weights_below_one_are_none() -> None:
    with pytest.raises(ValueError, match="1 / chance"):
        total([0.5], 2.0)


weights = st.lists(st.floats(1, 100), max_size=30)


@given(weights, weights)
def test_a_share_lies_between_its_bounds_and_both_sides_mirror_each_other(good: list[float], bad: list[float]) -> None:
    found, mirrored = share(good, bad, 100.0), share(bad, good, 100.0)
    if not good and not bad:
        assert math.isnan(found.value)
        assert (found.low, found.high) == (0, 1)
        return
    assert 0 <= found.low <= found.value <= found.high <= 1
    if sum(good) != sum(bad):
        assert (found.low, found.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low), abs=1e-9)


def test_a_share_of_two_certain_totals_is_certain() -> None:
    assert ratio(Interval(3, 3, 3), Interval(1, 1, 1)) == Interval(0.75, 0.75, 0.75)


def test_precision_and_recall_weigh_every_draw_by_its_chance() -> None:
    seen = [
        drawn(True, True),
        drawn(True, True),
        drawn(True, False, 0.25),
        drawn(False, True, 0.2),
        drawn(False, False),
    ]
    found = quality(seen, matches=10)
    assert found.precision.value == pytest.approx(4 / (4 + 4))
    assert found.recall.value == pytest.approx(4 / (4 + 5))
    assert found.precision_ht == pytest.approx(1 - 4 / 10)
    assert (found.drawn, found.answered) == (5, 5)


def test_those_without_an_answer_are_stood_for_by_their_class() -> None:
    seen = [drawn(True, True, 0.5), drawn(True, False, 0.5), drawn(False, False)]
    silent = [*seen, drawn(True, None, 0.5), drawn(True, None, 0.5)]
    assert quality(silent).found.value == 2 * quality(seen).found.value
    assert quality(silent).precision.value == quality(seen).precision.value
    # And a class of which nobody has said anything is not known.
    unknown = quality([*seen, drawn(True, None, 0.02, uniform=True)])
    assert (unknown.precision.low, unknown.precision.high, unknown.recall.high) == (0, 1, 1)


@pytest.mark.parametrize(
    ("error", "light"), [(0.1, 0.1), (0.01, 0.0), (0.3, 0.6)], ids=["plain", "rare-and-heavy", "frequent-and-light"]
)
def test_the_95_percent_interval_covers_the_truth(error: float, light: float) -> None:
    random = np.random.default_rng(7)
    size, rounds = 4_000, 200
    predicted = random.random(size) < 0.3
    wrong = random.random(size) < np.where(predicted, error, error / 4)
    truth = predicted ^ wrong
    # Errors are drawn with the light weights of the targeted strata, or only with the heavy ones of the uniform share.
    targeted = random.random(size) < np.where(wrong, light, 0.1)
    chance = np.where(targeted, 0.5, 0.04)
    precision = (predicted & truth).sum() / predicted.sum()
    recall = (predicted & truth).sum() / truth.sum()
    covered = np.zeros(2)
    for _ in range(rounds):
        rows = np.flatnonzero(random.random(size) < chance)
        found = quality([Drawn(bool(predicted[r]), bool(truth[r]), float(chance[r]), 0.04, False) for r in rows])
        covered += [
            found.precision.low <= precision <= found.precision.high, found.recall.low <= recall <= found.recall.high,
        ]  # fmt: skip
    assert (covered / rounds >= 0.93).all()


def test_f1_is_that_of_precision_and_recall() -> None:
    counted = [(True, True)] * 6 + [(True, False)] * 2 + [(False, True)] * 1 + [(False, False)] * 9
    found = quality([drawn(predicted, truth, 1.0) for predicted, truth in counted])
    assert found.f1.value == pytest.approx(2 * 6 / (2 * 6 + 2 + 1))
    assert found.f1.low <= found.f1.value <= found.f1.high
    more = quality([drawn(predicted, truth, 0.1) for predicted, truth in counted * 40])
    assert more.f1.value == pytest.approx(12 / 15)
    assert found.f1.low < more.f1.low < more.f1.high < found.f1.high
    assert math.isnan(quality([drawn(True, None)]).f1.value)
