from __future__ import annotations

from dataclasses import replace

import pytest

from worker.blocking import Index, Link, LinkState, Settle, Standing

A, B, C = "s:1", "t:2", "u:3"
MATCH = Standing("d1", "match", (4, 9), ("x", "y"), "bundle", "prompt", "policy", order=(4, 9, 0, 1, "a"))


def both(index: Index) -> list[LinkState | None]:
    return [index.links(A).get(B), index.links(B).get(A)]


def test_a_link_lies_with_both_offers(index: Index) -> None:
    index.link_many([Link(A, B, "0/4"), Link(A, C, "0/4")])
    assert index.links(A) == {B: LinkState(frozenset({"0/4"})), C: LinkState(frozenset({"0/4"}))}
    assert index.links_many([B, C, "s:none"]) == [
        {A: LinkState(frozenset({"0/4"}))},
        {A: LinkState(frozenset({"0/4"}))},
        {},
    ]


def test_a_settled_match_stands_and_stays_as_previous_while_pending(index: Index) -> None:
    index.link(A, B, "0/4")
    assert index.settle(A, B, "0/4", MATCH)
    assert both(index) == [LinkState(standing=MATCH)] * 2
    assert not index.links(A)[B].pending
    index.link(B, A, "1/12")
    assert both(index) == [LinkState(frozenset({"1/12"}), MATCH)] * 2
    assert index.links(A)[B].pending


@pytest.mark.parametrize("outcome", [None, replace(MATCH, verdict="no_match"), replace(MATCH, verdict="retracted")])
def test_what_does_not_link_is_removed(index: Index, outcome: Standing | None) -> None:
    index.link(A, B, "0/4")
    index.settle(A, B, "0/4", MATCH)
    index.link(A, B, "0/5")
    assert index.settle(A, B, "0/5", outcome)
    assert both(index) == [None, None]


def test_settling_does_nothing_where_the_token_is_gone(index: Index) -> None:
    assert not index.settle(A, B, "0/4", MATCH)
    assert both(index) == [None, None]


def test_another_attempt_stays_pending(index: Index) -> None:
    index.link(A, B, "0/4")
    index.link(A, B, "1/9")
    index.link(A, B, "1/9")
    assert index.settle_many([Settle(A, B, "0/4", None)]) == [True]
    assert both(index) == [LinkState(frozenset({"1/9"}))] * 2
    assert index.settle(A, B, "1/9", MATCH)
    assert both(index) == [LinkState(standing=MATCH)] * 2


@pytest.mark.parametrize(
    "older",
    [
        replace(MATCH, versions=(3, 9), order=(3, 9, 0, 1, "a")),
        replace(MATCH, order=(4, 9, 0, 0, "zzz")),
        replace(MATCH, order=(4, 9, 0, 1, "Z")),
        replace(MATCH, versions=(3, 10), order=()),
    ],
)
@pytest.mark.parametrize("verdict", ["match", "no_match"])
def test_an_older_decision_replaces_no_newer_one(index: Index, older: Standing, verdict: str) -> None:
    index.link(A, B, "late")
    index.link(A, B, "first")
    index.settle(A, B, "first", MATCH)
    assert not index.settle(A, B, "late", replace(older, verdict=verdict))  # type: ignore[arg-type]
    assert both(index) == [LinkState(standing=MATCH)] * 2


def test_a_newer_order_wins_over_nested_values(index: Index) -> None:
    held = replace(MATCH, order=(4, 9, ((1, 2), "x"), 1))
    newer = replace(MATCH, decision_id="d2", order=(4, 9, ((1, 2, 0), "a"), 0))
    for token, standing in (("a", held), ("b", newer)):
        index.link(A, B, token)
        assert index.settle(A, B, token, standing)
    assert both(index) == [LinkState(standing=newer)] * 2


def test_unlink_removes_what_was_seen_and_nothing_newer(index: Index) -> None:
    index.link(A, B, "0/4")
    index.settle(A, B, "0/4", MATCH)
    index.link(A, B, "0/5")
    seen = index.links(A)[B]
    index.link(A, B, "1/7")
    index.unlink(A, B, seen)
    assert both(index) == [LinkState(frozenset({"1/7"}))] * 2
    index.unlink_many([(A, B, index.links(A)[B])])
    assert both(index) == [None, None]


def test_unlink_leaves_a_standing_that_came_since(index: Index) -> None:
    index.link(A, B, "0/4")
    seen = index.links(A)[B]
    index.settle(A, B, "0/4", MATCH)
    index.unlink(A, B, seen)
    assert both(index) == [LinkState(standing=MATCH)] * 2
