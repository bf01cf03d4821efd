"""Groups of pairs."""

from __future__ import annotations

from tests.worker.comparison.making import sides
from worker.comparison.slices import LEAST, by_name, by_property


def test_small_groups_are_told_together() -> None:
    cases = [
        *(sides("match", "no_match", number=number, category="tv", label=False) for number in range(LEAST)),
        *(sides("match", "match", number=100 + number, category=f"c{number}") for number in range(3)),
    ]
    found = by_name(cases, lambda case: case.category, 0.95)
    assert {name: group["pairs"] for name, group in found.items()} == {"tv": LEAST, "others": 3}
    assert (found["tv"]["flips"]["share"], found["others"]["flips"]["share"]) == (1, 0)
    assert (found["tv"]["agreement_old"], found["tv"]["agreement_new"]) == (0, 1)
    assert (found["tv"]["matches_old"], found["tv"]["matches_new"]) == (LEAST, 0)


def test_properties_of_a_pair() -> None:
    cases = [sides("match", "match", p_old=0.5), sides("match", "match", number=2, price="10", gtin="4006381333931")]
    found = by_property(cases, 0.95)
    assert {name: group["pairs"] for name, group in found.items()} == {"old probability in doubt (0.2 to 0.8)": 1}
