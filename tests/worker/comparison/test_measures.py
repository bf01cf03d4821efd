"""The numbers, against what is known of them."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.comparison.making import sides
from worker.comparison import measures
from worker.comparison.cases import Case

VERDICT = st.sampled_from(measures.VERDICTS)


def labelled(only_old: int, only_new: int, both: int = 3) -> list[Case]:
    made = [("match", "no_match")] * only_old + [("no_match", "match")] * only_new + [("match", "match")] * both
    return [sides(old, new, number=number, label=True) for number, (old, new) in enumerate(made)]


def test_agreement_and_its_exact_test() -> None:
    found = measures.agreement([*labelled(7, 1), sides("review", "review", number=99)], 0.95)
    assert (found["labelled"], found["only_old_agrees"], found["only_new_agrees"]) == (11, 7, 1)
    assert found["change"] == pytest.approx(-6 / 11)
    # Binomial, two-sided: twice the smaller tail of 8 fair throws.
    assert found["p_value"] == pytest.approx(2 * (comb(8, 0) + comb(8, 1)) / 2**8)


def test_a_review_agrees_with_nobody() -> None:
    found = measures.agreement([sides("review", "no_match", label=False), sides("review", "match", label=False)], 0.95)
    assert (found["old"]["count"], found["new"]["count"], found["reviews_old"]) == (0, 1, 2)


def test_without_a_label_nothing_is_claimed() -> None:
    found = measures.agreement([sides("match", "match")], 0.95)
    assert (found["labelled"], found["change"], found["p_value"], found["old"]["share"]) == (0, None, None, None)
    assert measures.calibration([sides("match", "match")])["new"] == {"ece": None, "brier": None, "bins": []}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(VERDICT, VERDICT), min_size=2, max_size=40))
def test_rates_add_up_and_lie_in_their_intervals(verdicts: list[tuple[str, str]]) -> None:
    cases = [sides(old, new, number=number) for number, (old, new) in enumerate(verdicts)]
    found = measures.rates(cases, 0.95)
    for side in ("old", "new"):
        assert sum(rate[side]["share"] for rate in found.values()) == pytest.approx(1)
        assert all(rate[side]["low"] <= rate[side]["share"] + 1e-9 for rate in found.values())
        assert all(rate[side]["share"] <= rate[side]["high"] + 1e-9 for rate in found.values())
    assert sum(rate["change"] for rate in found.values()) == pytest.approx(0, abs=1e-12)
    assert all(rate["low"] <= rate["high"] for rate in found.values())


def test_calibration_of_a_side_that_is_right_and_of_one_that_is_not() -> None:
    cases = [
        sides("match", "match", number=number, p_old=0.5, p_new=0.95, label=number % 2 == 0) for number in range(40)
    ]
    found = measures.calibration(cases)
    assert found["old"]["ece"] == pytest.approx(0)
    assert found["new"]["ece"] == pytest.approx(0.45)
    assert found["old"]["brier"] == pytest.approx(0.25)
    assert found["new"]["brier"] == pytest.approx((0.05**2 + 0.95**2) / 2)


def test_latency_and_shift() -> None:
    cases = [sides("match", "match", number=number, ms=(10 + number, 2 * (10 + number))) for number in range(9)]
    assert measures.latency(cases)["ratio"] == pytest.approx(2)
    assert measures.shift(cases)["mean"] == pytest.approx(0.7)
    assert measures.latency([])["ratio"] is None
    assert measures.shift([])["mean"] is None
