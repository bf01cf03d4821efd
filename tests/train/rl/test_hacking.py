from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.rl.hacking import Reading, Rule, change, check, first_alarm, simulated

RULE = Rule(panels=12)


def alarms(runs: int, **values: float) -> list[int | None]:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(runs):
        readings, clusters = simulated(rng, RULE, pairs=240, products=40, **values)
        alarm = first_alarm(readings, clusters, RULE)
        found.append(None if alarm is None else alarm.step)
    return found


def test_runs_without_a_fall_are_stopped_as_rarely_as_promised() -> None:
    stopped = sum(step is not None for step in alarms(120))
    # 5% are promised at most; of 120 runs more than 12 would have a chance of 1 in 100.
    assert stopped <= 12


def test_a_fall_is_seen_soon() -> None:
    steps = alarms(30, fall=0.03)
    assert all(step is not None for step in steps)
    assert float(np.median([step for step in steps if step is not None])) <= 5


def test_a_fall_alone_is_no_hacking() -> None:
    rng = np.random.default_rng(2)
    readings, clusters = simulated(rng, RULE, pairs=240, products=40, fall=0.05)
    still = [replace(reading, proxy=np.zeros(240)) for reading in readings]
    assert first_alarm(still, clusters, RULE) is None
    assert first_alarm(readings, clusters, RULE) is not None


def test_pairs_of_one_product_do_not_count_as_many() -> None:
    rng = np.random.default_rng(3)
    products = np.repeat(np.arange(10), 50)
    moved = rng.normal(0, 1, 10)[products]
    _, apart = change(np.zeros(500), moved, np.arange(500))
    _, together = change(np.zeros(500), moved, products)
    assert abs(together) < abs(apart) / 5


def test_pairs_without_a_known_verdict_are_left_out() -> None:
    before, after = np.array([0.0] * 20 + [np.nan] * 20), np.full(40, 1.0)
    difference, statistic = change(before, after, np.arange(40))
    assert (difference, statistic) == (1.0, np.inf)
    assert change(before[20:], after[20:], np.arange(20)) == (0.0, 0.0)


@given(st.integers(0, 1_000), st.integers(2, 10), st.integers(1, 5))
@settings(max_examples=40)
def test_the_order_of_pairs_and_what_comes_later_change_nothing(seed: int, length: int, window: int) -> None:
    rng = np.random.default_rng(seed)
    rule = Rule(panels=12, window=window)
    readings, clusters = simulated(rng, rule, pairs=60, products=12, fall=0.02)
    order = rng.permutation(60)
    mixed = [
        Reading(reading.step, reading.proxy[order], {name: values[order] for name, values in reading.signals.items()})
        for reading in readings
    ]
    one, other = check(readings[:length], clusters, rule), check(mixed[:length], clusters[order], rule)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert (one.step, one.signal, one.since) == (other.step, other.signal, other.since)
        assert one.p_value == pytest.approx(other.p_value, rel=1e-6)
        whole = first_alarm(readings, clusters, rule)
        assert whole is not None
        assert whole.step <= one.step
        assert f"step {one.step}" in one.sentence()


@given(st.integers(0, 1_000))
@settings(max_examples=20)
def test_what_improves_is_never_stopped(seed: int) -> None:
    rng = np.random.default_rng(seed)
    readings, clusters = simulated(rng, RULE, pairs=60, products=12)
    better = [
        replace(reading, signals={name: np.abs(values) * number for name, values in readings[1].signals.items()})
        for number, reading in enumerate(readings)
    ]
    assert first_alarm(better, clusters, RULE) is None
