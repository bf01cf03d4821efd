from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.cost.inputs import UNITS, read_inputs
from train.cost.ways import DAYS_A_MONTH, OURS, WAYS, Cost, break_even, costs, decisions_per_month, sensitivity

INPUTS = read_inputs()


def test_a_million_on_a_machine_by_hand() -> None:
    """10 pairs/s used half of the time are 18,000 pairs an hour; a million take 55.6 hours at 0.09."""
    inputs = INPUTS
    for name, value in (("cpu_pairs_per_second", 10), ("utilisation", 0.5), ("cpu_hour", 0.09)):
        inputs = inputs.scaled(name, value / inputs[name])
    assert costs(inputs)[OURS[0]].per_million == pytest.approx(1e6 / 18_000 * 0.09)


def test_an_api_by_hand() -> None:
    inputs = INPUTS
    values = {"api_prompt_tokens": 400, "api_reply_tokens": 100, "api_input": 0.5, "api_output": 2.0}
    for name, value in values.items():
        inputs = inputs.scaled(name, value / inputs[name])
    # 400 tokens at 0.5 and 100 at 2.0 a million tokens are 400 in a million pairs.
    assert costs(inputs)["small API model, every pair"].per_million == pytest.approx(400)


def test_decisions_are_changes_times_candidates() -> None:
    expected = INPUTS["changes_per_day"] * INPUTS["candidates_per_change"] * DAYS_A_MONTH
    assert decisions_per_month(INPUTS) == pytest.approx(expected)


def test_only_ours_retrains_and_all_have_the_same_platform_and_people() -> None:
    found = costs(INPUTS)
    assert list(found) == list(WAYS)
    for way, cost in found.items():
        assert ("retraining" in cost.fixed) == (way in OURS)
        assert cost.fixed["people"] == found[WAYS[0]].fixed["people"]


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1e4))
def test_at_the_break_even_point_both_cost_the_same(fixed: float, each: float, other: float, theirs: float) -> None:
    ours, api = Cost("ours", {"x": fixed}, each), Cost("api", {"x": other}, theirs)
    point = break_even(ours, api)
    if point is None:
        assert theirs <= each
        assert fixed > other or theirs < each
    elif point == 0:
        assert ours.month(0) <= api.month(0)
        assert ours.month(1e9) <= api.month(1e9) * (1 + 1e-9)
    else:
        assert ours.month(point) == pytest.approx(api.month(point), rel=1e-6)
        assert ours.month(2 * point) <= api.month(2 * point) * (1 + 1e-9)


def test_every_input_that_costs_us_moves_the_cost_in_its_direction() -> None:
    rows = {row["input"]: row for row in sensitivity(INPUTS, WAYS[0])}
    assert rows["cpu_hour"]["low"] < rows["cpu_hour"]["base"] < rows["cpu_hour"]["high"]
    assert rows["cpu_pairs_per_second"]["low"] > rows["cpu_pairs_per_second"]["high"]
    # What only an API is paid for moves nothing of ours.
    assert "api_input" not in rows
    widths = [abs(row["high"] - row["low"]) for row in sensitivity(INPUTS, WAYS[0])]
    assert widths == sorted(widths, reverse=True)


def test_full_use_cannot_be_doubled() -> None:
    inputs = INPUTS.scaled("utilisation", 1 / INPUTS["utilisation"])
    row = next(row for row in sensitivity(inputs, WAYS[0]) if row["input"] == "utilisation")
    assert row["high"] == pytest.approx(row["base"])
    assert set(UNITS) == set(inputs.numbers)
