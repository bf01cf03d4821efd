"""Which pairs can be compared."""

from __future__ import annotations

import pytest

from schemas.label import Label
from tests.decisions import NOW
from tests.worker.comparison.making import judged, sides
from tests.worker.replay.conftest import offer
from worker.comparison.cases import align

A, B, C = offer("a:1", category="tv"), offer("b:1"), offer("c:1")
OFFERS = {each.digest(): each for each in (A, B, C)}


def label(verdict: str, first: str = "", second: str = "") -> Label:
    return Label.model_validate(
        {
            "label_id": "l", "pair_id": "a:1#b:1", "first_digest": first, "second_digest": second, "verdict": verdict,
            "reviewer": "r", "labeled_at": NOW,
        }
    )  # fmt: skip


def test_only_pairs_on_the_same_contents_are_compared() -> None:
    old = {made.pair_id: made for made in (judged(A, B, "match", 0.9), judged(A, C, "match", 0.9))}
    new = {
        made.pair_id: made
        for made in (judged(A, B, "review", 0.5), judged(offer("a:1", "another"), C, "match", 0.9),
                     judged(B, C, "match", 0.9))
    }  # fmt: skip
    aligned = align(old, new, OFFERS, {})
    assert [(case.pair_id, case.kind) for case in aligned.cases] == [("a:1#b:1", "match->review")]
    assert (aligned.only_old, aligned.only_new, aligned.other_contents) == (0, 1, 1)
    assert (aligned.cases[0].first, aligned.cases[0].second) == (A, B)


@pytest.mark.parametrize("by", ["label", "operator", "change"])
def test_what_people_decided_is_no_bundles_word(by: str) -> None:
    said = judged(A, B, "match", 0.9)
    aligned = align({said.pair_id: said.model_copy(update={"decided_by": by})}, {said.pair_id: said}, OFFERS, {})
    assert (aligned.cases, aligned.by_people) == ([], 1)


def test_the_last_label_of_these_very_contents_binds() -> None:
    made = judged(A, B, "match", 0.9)
    side = {made.pair_id: made}
    bound = label("match", A.digest(), B.digest())
    stale = label("no_match", "other", B.digest())
    for labels, said in (([bound, stale], True), ([stale], None), ([bound, label("no_match")], False), ([], None)):
        assert align(side, side, OFFERS, {made.pair_id: labels}).cases[0].label is said


def test_what_a_pair_is_grouped_by() -> None:
    case = sides("match", "match", category="tv", price="20.00")
    assert (case.sources, case.category, case.price) == ("a + b", "tv", 20.0)
    assert sides("match", "match").category == "none given"
    assert sides("match", "match").price is None
