"""What stands is counted once, and precision and recall are what they are called."""

from __future__ import annotations

from samesku.demo.tally import Tally, quality
from tests.decisions import decision


def test_an_older_decision_that_comes_late_does_not_stand() -> None:
    tally = Tally()
    for each in (decision("a:1", "b:1", "no_match", (2, 1)), decision("a:1", "b:1", "match")):
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
            decision("own:1", "a:1", "match"),
            decision("a:1", "b:1", "review"),
            decision("own:2", "b:1", "no_match"),
            decision("d:1", "a:1", "match"),
            decision("c:1", "d:1", "no_match"),
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
