"""Flips, most costly first."""

from __future__ import annotations

import pytest

from schemas.policy import Costs
from tests.worker.comparison.making import sides
from worker.comparison.flips import cost, kinds, ranked

COSTS = Costs(false_match=4.0, missed_match=1.0, review=0.5)


def test_kinds_most_frequent_first() -> None:
    cases = [sides("match", "match"), sides("no_match", "match"), *[sides("match", "review")] * 2]
    assert kinds(cases) == {"match->review": 2, "no_match->match": 1}


def test_cost_is_what_the_new_verdict_costs_if_wrong_times_shift_times_price() -> None:
    assert cost(sides("no_match", "match", p_old=0.2, p_new=0.7, price="30"), COSTS, 9) == pytest.approx(4 * 0.5 * 30)
    assert cost(sides("match", "no_match", p_old=0.7, p_new=0.2), COSTS, 9) == pytest.approx(1 * 0.5 * 9)
    assert cost(sides("match", "review", p_old=0.7, p_new=0.5, price="10"), COSTS, 9) == pytest.approx(0.5 * 0.2 * 10)


def test_the_dearest_come_first_and_only_so_many() -> None:
    cases = [
        sides("no_match", "match", number=1, p_old=0.2, p_new=0.8, price="5"),
        sides("match", "no_match", number=2, p_old=0.8, p_new=0.2, price="500"),
        sides("match", "match", number=3, p_old=0.1, p_new=0.9, price="9999"),
        sides("match", "no_match", number=4, p_old=0.8, p_new=0.2),
    ]
    rows = ranked(cases, COSTS, 2)
    # Without a price: as dear as the median, which is that of number 2.
    assert [row["pair_id"] for row in rows] == ["a:2#b:2", "a:4#b:4"]
    assert rows[0]["first"]["price"] == "500"
    assert [row["cost"] for row in rows] == pytest.approx([300, 300])
