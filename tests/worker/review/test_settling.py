"""What votes come to."""

from __future__ import annotations

import pytest

from worker.review.settling import Vote, contradictions, settle


def said(*verdicts: str) -> list[Vote]:
    return [Vote(f"person{place}", verdict) for place, verdict in enumerate(verdicts)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdicts", "double", "state", "wanted"),
    [
        ((), False, "open", 1),
        ((), True, "open", 2),
        (("match",), False, "labelled", 0),
        (("match",), True, "open", 1),
        (("match", "match"), True, "labelled", 0),
        (("match", "no_match"), True, "adjudicate", 1),
        (("unsure",), False, "open", 1),
        (("unsure", "no_match"), False, "labelled", 0),
        (("unsure", "match"), True, "open", 1),
        (("unsure", "unsure"), False, "adjudicate", 1),
        (("skip", "skip", "skip"), False, "open", 1),
        (("skip", "match"), False, "labelled", 0),
    ],
)
def test_votes_come_to_a_state(verdicts: tuple[str, ...], double: bool, state: str, wanted: int) -> None:
    outcome = settle(said(*verdicts), double=double)
    assert (outcome.state, outcome.wanted) == (state, wanted)
    assert (outcome.verdict is not None) == (state == "labelled")


def test_a_lead_settles_whatever_was_said_before() -> None:
    votes = [*said("match", "no_match"), Vote("lead", "no_match", {"variant": "different"}, "colour", True)]
    outcome = settle(votes, double=True)
    assert (outcome.state, outcome.verdict, outcome.reviewers) == ("labelled", "no_match", ("lead",))
    assert (outcome.attributes, outcome.note) == ({"variant": "different"}, "colour")


def test_a_lead_who_is_unsure_leaves_it_to_another() -> None:
    votes = [*said("match", "no_match"), Vote("lead", "unsure", adjudicates=True)]
    assert settle(votes, double=True).state == "adjudicate"


def test_where_two_state_an_attribute_differently_it_stays_unjudged() -> None:
    votes = [
        Vote("a", "match", {"brand": "same", "variant": "same"}, "one"),
        Vote("b", "match", {"brand": "same", "variant": "unknown", "quantity": "same"}, "two"),
    ]
    outcome = settle(votes, double=True)
    assert outcome.attributes == {"brand": "same", "quantity": "same"}
    assert (outcome.reviewers, outcome.note) == (("a", "b"), "one\ntwo")


def test_a_match_has_no_different_attribute() -> None:
    assert contradictions("match", {"brand": "same", "variant": "different"}) == ("variant",)
    assert contradictions("no_match", {"variant": "different"}) == ()
