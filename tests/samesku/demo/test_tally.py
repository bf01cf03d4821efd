"""What stands is counted once, and precision and recall are what they are called."""

from __future__ import annotations

from datetime import UTC, datetime

from samesku.demo.tally import Tally, quality
from schemas.decision import BundleRef, DecisionVerdict, MatchDecision, Side
from schemas.events import Position
from schemas.offer import pair_id

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def decision(a: str, b: str, verdict: DecisionVerdict, version: int = 1) -> MatchDecision:
    first, second = sorted((a, b))
    return MatchDecision(
        decision_id=f"{first}{second}{version}", pair_id=pair_id(a, b), query_key=first, candidate_key=second,
        first=Side(key=first, effective_version=version, digest="x"),
        second=Side(key=second, effective_version=1, digest="x"), verdict=verdict, probability=0.5,
        decided_by="change" if verdict == "retracted" else "student",
        bundle=BundleRef(name="tiny", version="1.0.0", digest="d"), prompt_version="1", grammar_version="1",
        policy_version="1", source=Position(topic="t", partition=0, offset=1), decided_at=NOW,
    )


def test_an_older_decision_that_comes_late_does_not_stand() -> None:
    tally = Tally()
    for each in (decision("a:1", "b:1", "no_match", 2), decision("a:1", "b:1", "match", 1)):
        tally.add_decision(each)
    assert tally.standing() == {"no_match": 1}
    assert tally.decisions == {"match": 1, "no_match": 1}


def test_retractions_are_decisions_that_nobody_judged() -> None:
    tally = Tally()
    tally.add_decision(decision("a:1", "b:1", "retracted"))
    assert tally.judged == 0


def test_quality_counts_pairs_that_somebody_asked_for() -> None:
    truth = {"own:1": "P", "own:2": "P", "a:1": "P", "b:1": "P", "c:1": "Q", "a:2": "Q", "d:1": "R"}
    # Asked for: of P all pairs but own:1-own:2, which are 5; of Q one. R has one listing.
    stands = {
        each.pair_id: each
        for each in (
            decision("own:1", "a:1", "match"), decision("a:1", "b:1", "review"), decision("own:2", "b:1", "no_match"),
            decision("d:1", "a:1", "match"), decision("c:1", "d:1", "no_match"),
        )
    }
    found = quality(stands, truth, ["own:1", "own:2"])
    assert (found.found, found.wrong, found.in_review, found.known, found.judged) == (1, 1, 1, 6, 3)
    assert found.precision == 0.5
    assert found.recall == 1 / 6


def test_quality_of_nothing() -> None:
    found = quality({}, {}, [])
    assert found.precision is None
    assert found.recall is None
