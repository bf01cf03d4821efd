from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.decision import (
    BundleRef,
    MatchDecision,
    Side,
    compute_decision_id,
    semver_key,
    standing,
    supersedes,
)
from schemas.events import Position, dumps

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
FIRST, SECOND = "a:1", "b:1"


def bundle(version: str = "1.0.0", **changes: Any) -> BundleRef:
    return BundleRef(**{"name": "student", "version": version, "digest": f"d{version}", "built_at": NOW, **changes})


def decision(
    first: int = 1, second: int = 1, *, by_second: bool = False, pair: tuple[str, str] = (FIRST, SECOND), **changes: Any
) -> MatchDecision:
    sides = (
        Side(key=pair[0], effective_version=first, digest=f"x{first}"),
        Side(key=pair[1], effective_version=second, digest=f"y{second}"),
    )
    query, candidate = (pair[1], pair[0]) if by_second else pair
    ref = changes.pop("bundle", bundle())
    fields: dict[str, Any] = {
        "pair_id": "#".join(pair),
        "query_key": query,
        "candidate_key": candidate,
        "first": sides[0],
        "second": sides[1],
        "verdict": "match",
        "probability": 0.9,
        "decided_by": "student",
        "bundle": ref,
        "prompt_version": "1",
        "grammar_version": "1",
        "policy_version": "p",
        "source": Position(topic="catalog.changes", partition=0, offset=second if by_second else first),
        "decided_at": NOW,
        **changes,
    }
    fields.setdefault(
        "decision_id",
        compute_decision_id(
            *sides,
            query,
            ref.digest,
            "1",
            "1",
            fields["policy_version"],
            fields.get("label_id"),
            deployment=fields.get("deployment", 0),
            action_id=fields.get("action_id"),
        ),
    )
    return MatchDecision(**fields)


SOMEWHERE = Position(topic="catalog.changes", partition=0, offset=1)

versions = st.sampled_from(["0.9.0", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0", "nightly"])
decisions = st.builds(
    lambda first, second, by_second, version, built, label, by, policy, late, deployment, operator: decision(
        first,
        second,
        by_second=by_second,
        bundle=bundle(version, built_at=built),
        decided_by="operator" if operator else by if label is not None else "student",
        label_id=label,
        source=Position(topic="match.labels", partition=0, offset=late) if label is not None else SOMEWHERE,
        action_id="i" if operator else None,
        deployment=deployment,
        policy_version=policy,
        decided_at=NOW + timedelta(seconds=late),
    ),
    st.integers(0, 3),
    st.integers(0, 3),
    st.booleans(),
    versions,
    st.sampled_from([None, NOW, NOW + timedelta(days=1)]),
    st.sampled_from([None, None, "l1", "l2"]),
    st.sampled_from(["label", "teacher"]),
    st.sampled_from(["p", "q"]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (decision(2, 1), decision(1, 1)),
        (decision(1, 2), decision(1, 1)),
        (decision(2, 2), decision(1, 2, bundle=bundle("9.0.0"))),
        (decision(2, 1, verdict="retracted", decided_by="change"), decision(1, 1, decided_by="label", label_id="l")),
        (decision(decided_by="label", label_id="l"), decision(bundle=bundle("9.0.0"))),
        (decision(bundle=bundle("1.10.0")), decision(bundle=bundle("1.9.0"))),
        (decision(bundle=bundle("1.0.0"), by_second=True), decision(bundle=bundle("1.0.0-rc.1"))),
        (decision(bundle=bundle(built_at=NOW + timedelta(days=1)), by_second=True), decision()),
        (decision(deployment=2), decision(deployment=1, bundle=bundle("9.0.0"))),
        (decision(decided_by="label", label_id="l"), decision(deployment=7)),
        (decision(decided_by="operator", action_id="i", by_second=True), decision()),
        (decision(decided_by="teacher", label_id="t"), decision(bundle=bundle("9.0.0"), deployment=7)),
        (decision(decided_by="teacher", label_id="t"), decision(decided_by="operator", action_id="i")),
        (decision(decided_by="label", label_id="l"), decision(decided_by="teacher", label_id="t", deployment=7)),
        (
            decision(decided_by="operator", action_id="i", label_id="t"),
            decision(decided_by="teacher", label_id="t"),
        ),
        (decision(decided_by="label", label_id="l"), decision(decided_by="operator", action_id="i", label_id="t")),
        (decision(1, 2, decided_by="student"), decision(decided_by="teacher", label_id="t")),
        (decision(bundle=bundle("1.1.0")), decision(decided_by="operator", action_id="i")),
        (decision(deployment=1), decision(decided_by="operator", action_id="i", bundle=bundle("9.0.0"))),
        (decision(), decision(by_second=True)),
        (decision(decided_at=NOW + timedelta(seconds=1), policy_version="q"), decision()),
    ],
)
def test_what_stands_over_what(newer: MatchDecision, older: MatchDecision) -> None:
    assert supersedes(newer, older)
    assert not supersedes(older, newer)


def test_a_later_label_replaces_an_earlier_one() -> None:
    def label(offset: int, name: str) -> MatchDecision:
        at = Position(topic="match.labels", partition=0, offset=offset)
        return decision(decided_by="label", label_id=name, source=at)

    assert supersedes(label(10, "a"), label(9, "b"))


def test_incomparable_versions_go_by_the_first_offer() -> None:
    assert supersedes(decision(2, 1), decision(1, 2))
    assert not supersedes(decision(1, 2), decision(2, 1))
    assert supersedes(decision(2, 2), decision(2, 1))


@given(decisions, decisions)
def test_two_decisions_never_supersede_each_other(a: MatchDecision, b: MatchDecision) -> None:
    assert not (supersedes(a, b) and supersedes(b, a))
    assert not supersedes(a, a)


@given(decisions, decisions)
def test_componentwise_newer_always_stands(a: MatchDecision, b: MatchDecision) -> None:
    va = (a.first.effective_version, a.second.effective_version)
    vb = (b.first.effective_version, b.second.effective_version)
    if va != vb and va[0] >= vb[0] and va[1] >= vb[1]:
        assert supersedes(a, b)


@given(decisions, decisions, decisions)
def test_the_order_is_transitive(a: MatchDecision, b: MatchDecision, c: MatchDecision) -> None:
    if supersedes(a, b) and supersedes(b, c):
        assert supersedes(a, c)


@given(st.lists(decisions, min_size=1, max_size=5), st.randoms())
def test_any_order_of_arrival_leaves_one_standing_decision(arrived: list[MatchDecision], random: Any) -> None:
    expected = standing(arrived)
    again = [*arrived, *arrived]
    random.shuffle(again)
    found = standing(again)
    assert {pair: d.decision_id for pair, d in found.items()} == {pair: d.decision_id for pair, d in expected.items()}


def test_all_orders_of_a_race_leave_the_same_decision() -> None:
    race = [
        decision(1, 1),
        decision(2, 1),
        decision(1, 2, by_second=True),
        decision(2, 2, by_second=True),
        decision(2, 2),
    ]
    stood = {standing(order)[race[0].pair_id].decision_id for order in itertools.permutations(race)}
    assert stood == {decision(2, 2).decision_id}


def test_pairs_stand_for_themselves() -> None:
    other = decision(9, 9, pair=("a:1", "c:1"))
    assert standing([other, decision()]) == {other.pair_id: other, decision().pair_id: decision()}
    with pytest.raises(ValueError, match="different pairs"):
        supersedes(other, decision())


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        # The example of semver.org, item 11.
        ("1.0.0-alpha", "1.0.0-alpha.1"),
        ("1.0.0-alpha.1", "1.0.0-alpha.beta"),
        ("1.0.0-alpha.beta", "1.0.0-beta"),
        ("1.0.0-beta", "1.0.0-beta.2"),
        ("1.0.0-beta.2", "1.0.0-beta.11"),
        ("1.0.0-beta.11", "1.0.0-rc.1"),
        ("1.0.0-rc.1", "1.0.0"),
        ("1.9", "1.10"),
        ("nightly", "0.0.1"),
    ],
)
def test_semantic_versions(older: str, newer: str) -> None:
    assert semver_key(older) < semver_key(newer)


def test_build_metadata_does_not_order() -> None:
    assert semver_key("1.0.0+a") == semver_key("1.0.0+b")


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_two_versions_compare(a: str, b: str) -> None:
    assert (semver_key(a) < semver_key(b)) + (semver_key(b) < semver_key(a)) <= 1


def test_the_id_depends_on_what_determines_a_decision() -> None:
    a, b = decision().first, decision().second
    base = (a, b, FIRST, "bundle", "prompt", "grammar", "policy", None)
    same = compute_decision_id(*base)
    assert same == compute_decision_id(b, a, *base[2:])
    # The seller's own version does not determine the judgement.
    assert same == compute_decision_id(a.model_copy(update={"seller_version": 5}), *base[1:])
    changed = [
        compute_decision_id(a.model_copy(update={"effective_version": 2}), *base[1:]),
        compute_decision_id(a, b.model_copy(update={"digest": "z"}), *base[2:]),
        compute_decision_id(a, b, SECOND, *base[3:]),
        compute_decision_id(a, b, FIRST, "other", "prompt", "grammar", "policy", None),
        compute_decision_id(a, b, FIRST, "bundle", "other", "grammar", "policy", None),
        compute_decision_id(a, b, FIRST, "bundle", "prompt", "other", "policy", None),
        compute_decision_id(a, b, FIRST, "bundle", "prompt", "grammar", "other", None),
        compute_decision_id(a, b, FIRST, "bundle", "prompt", "grammar", "policy", "label"),
        compute_decision_id(*base, deployment=1),
        compute_decision_id(*base, action_id="label"),
    ]
    assert len({same, *changed}) == len(changed) + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"pair_id": "b:1#a:1"},
        {"pair_id": "a:1#c:1"},
        {"query_key": "c:1"},
        {"candidate_key": FIRST},
        {"verdict": "maybe"},
        {"probability": 1.5},
        {"decided_at": datetime(2026, 1, 1)},
    ],
)
def test_a_decision_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        decision(**changes)


def test_sides_stand_in_the_pairs_order() -> None:
    with pytest.raises(ValidationError, match="order"):
        decision(first=1, pair=("b:1", "a:1"), pair_id="a:1#b:1")


def test_a_decision_survives_the_wire_with_fields_it_does_not_know() -> None:
    data = orjson.loads(dumps(decision(previous_verdict="review"))) | {"experiment": {"arm": "b"}}
    data["first"]["warehouse"] = "north"
    again = MatchDecision.model_validate_json(orjson.dumps(data))
    assert orjson.loads(dumps(again)) == data
    assert data["decided_at"] == "2026-11-23T10:00:00.000000Z"
