"""Votes, undo, and the labels that follow from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import orjson
import pytest

from schemas.label import Label
from tests.worker.review.making import NOW, Clock, ballot, label, review_task
from worker.review import tasks, trail, voting, waiting
from worker.review.database import Database
from worker.review.errors import Contradiction, NotAllowed, Stale

UNDO_S = 10.0


@pytest.fixture
def connection(database: Database) -> Iterator[sqlite3.Connection]:
    with database.write() as opened:
        yield opened


def ask(connection: sqlite3.Connection, *numbers: int, double: bool = False) -> None:
    for number in numbers:
        tasks.take_review(connection, review_task(number), 1.0 if double else 0.0)


def outbox(connection: sqlite3.Connection) -> list[tuple[str, Label]]:
    rows = connection.execute("SELECT state, value FROM outbox ORDER BY seq")
    return [(row["state"], Label.model_validate_json(row["value"])) for row in rows]


def test_a_label_says_what_was_seen_and_what_was_stated(connection: sqlite3.Connection) -> None:
    ask(connection, 1)
    made = ballot("d1", "anna", "no_match", attributes={"variant": "different"}, note="colour")
    voting.cast(connection, NOW, made, UNDO_S)
    [(state, sent)] = outbox(connection)
    task = review_task(1)
    assert state == "waiting"
    assert (sent.pair_id, sent.decision_id, sent.verdict, sent.seen_verdict) == (
        task.pair_id,
        "d1",
        "no_match",
        "review",
    )
    assert (sent.digests, sent.attributes) == ((task.first.digest, task.second.digest), {"variant": "different"})
    assert (sent.reviewer, sent.note, sent.by, sent.labeled_at) == ("anna", "colour", "person", NOW)


def test_a_vote_that_is_sent_twice_counts_once(connection: sqlite3.Connection) -> None:
    ask(connection, 1)
    made = ballot("d1", "anna", "match")
    assert not voting.cast(connection, NOW, made, UNDO_S).repeated
    assert voting.cast(connection, NOW, made, UNDO_S).repeated
    assert len(outbox(connection)) == 1


def test_a_vote_about_what_is_settled_or_gone_is_refused(connection: sqlite3.Connection) -> None:
    ask(connection, 1)
    voting.cast(connection, NOW, ballot("d1", "anna", "match"), UNDO_S)
    with pytest.raises(Stale, match="labelled meanwhile"):
        voting.cast(connection, NOW, ballot("d1", "ben", "no_match"), UNDO_S)
    with pytest.raises(Stale, match="no such pair"):
        voting.cast(connection, NOW, ballot("d9", "ben", "no_match"), UNDO_S)


def test_a_match_with_a_different_attribute_is_refused(connection: sqlite3.Connection) -> None:
    ask(connection, 1)
    with pytest.raises(Contradiction, match="different brand"):
        voting.cast(connection, NOW, ballot("d1", "anna", "match", attributes={"brand": "different"}), UNDO_S)


def test_undo_in_time_leaves_no_label(connection: sqlite3.Connection) -> None:
    ask(connection, 1)
    voting.cast(connection, NOW, ballot("d1", "anna", "match"), UNDO_S)
    undone = voting.undo(connection, NOW, "anna")
    assert (undone.task_id, undone.published) == ("d1", False)
    voting.cast(connection, NOW, ballot("d1", "anna", "no_match"), UNDO_S)
    [(first, taken_back), (second, stands)] = outbox(connection)
    assert (first, second, stands.verdict) == ("cancelled", "waiting", "no_match")
    assert taken_back.label_id != stands.label_id


def test_undo_after_the_label_left_makes_a_label_that_replaces_it(connection: sqlite3.Connection) -> None:
    ask(connection, 1)
    voting.cast(connection, NOW, ballot("d1", "anna", "match"), UNDO_S)
    connection.execute("UPDATE outbox SET state = 'published'")
    assert voting.undo(connection, NOW, "anna").published
    # Reading its own label back must not settle the pair that is asked again.
    tasks.take_label(connection, outbox(connection)[0][1], 0, 7)
    voting.cast(connection, NOW, ballot("d1", "anna", "no_match"), UNDO_S)
    assert [(state, sent.verdict) for state, sent in outbox(connection)] == [
        ("published", "match"), ("waiting", "no_match")
    ]  # fmt: skip


def test_undo_goes_back_one_vote_at_a_time(connection: sqlite3.Connection) -> None:
    ask(connection, 1, 2)
    for task in ("d1", "d2"):
        voting.cast(connection, NOW, ballot(task, "anna", "skip"), UNDO_S)
    assert [voting.undo(connection, NOW, "anna").task_id for _ in range(2)] == ["d2", "d1"]
    with pytest.raises(Stale, match="nothing to undo"):
        voting.undo(connection, NOW, "anna")


def test_two_agree_and_only_then_there_is_a_label(connection: sqlite3.Connection) -> None:
    ask(connection, 1, double=True)
    assert voting.cast(connection, NOW, ballot("d1", "anna", "match"), UNDO_S).label_id is None
    assert outbox(connection) == []
    voting.cast(connection, NOW, ballot("d1", "ben", "match"), UNDO_S)
    [(_, sent)] = outbox(connection)
    assert sent.reviewer == "anna+ben"


def test_a_conflict_goes_to_a_lead_who_was_no_party(connection: sqlite3.Connection) -> None:
    ask(connection, 1, double=True)
    voting.cast(connection, NOW, ballot("d1", "anna", "match"), UNDO_S)
    voting.cast(connection, NOW, ballot("d1", "lea", "no_match", "lead"), UNDO_S)
    with pytest.raises(NotAllowed):
        voting.cast(connection, NOW, ballot("d1", "ben", "match"), UNDO_S)
    with pytest.raises(Stale, match="already"):
        voting.cast(connection, NOW, ballot("d1", "lea", "match", "lead"), UNDO_S)
    assert voting.cast(connection, NOW, ballot("d1", "lee", "no_match", "lead"), UNDO_S).state == "labelled"
    # What the parties do afterwards does not take the ruling back.
    voting.undo(connection, NOW, "anna")
    assert [(state, sent.reviewer) for state, sent in outbox(connection)] == [("waiting", "lee")]


def test_a_labelled_pair_is_asked_again_by_a_lead_alone(connection: sqlite3.Connection) -> None:
    ask(connection, 1)
    tasks.take_label(connection, label(1), 0, 0)
    with pytest.raises(NotAllowed):
        voting.reopen(connection, NOW, "d1", "anna", "reviewer")
    voting.reopen(connection, NOW, "d1", "lea", "lead")
    voting.cast(connection, NOW, ballot("d1", "lea", "no_match", "lead"), UNDO_S)
    [(_, sent)] = outbox(connection)
    assert (sent.verdict, sent.label_id != "label1") == ("no_match", True)


def test_the_trail_tells_all_of_it_and_stands(connection: sqlite3.Connection) -> None:
    ask(connection, 1)
    voting.cast(connection, NOW, ballot("d1", "anna", "match", note="same code"), UNDO_S)
    voting.undo(connection, NOW, "anna")
    found = trail.lines(connection, subject=review_task(1).pair_id)
    assert [(line["actor"], line["action"]) for line in found] == [("anna", "took back"), ("anna", "voted")]
    assert found[1]["detail"]["note"] == "same code"
    for change in ("DELETE FROM trail", "UPDATE trail SET actor = 'nobody'"):
        with pytest.raises(sqlite3.IntegrityError, match="only added to"):
            connection.execute(change)


def test_the_queue_goes_by_priority_and_shows_nobody_the_same_pair(connection: sqlite3.Connection) -> None:
    for number, probability in ((1, 0.9), (2, 0.5), (3, 0.7)):
        tasks.take_review(connection, review_task(number, probability=probability), 0)
    clock = Clock()

    def shown(who: str, limit: int, role: str = "reviewer", holding: tuple[str, ...] = ()) -> list[str]:
        found = waiting.upcoming(connection, clock(), who, role, limit=limit, lease_s=60, holding=holding)
        return [task.task_id for task in found]

    assert shown("anna", 2) == ["d2", "d3"]
    assert shown("ben", 3) == ["d1"]
    assert shown("anna", 1, holding=("d2", "d3")) == []
    clock.forward(61)
    assert shown("ben", 3) == ["d2", "d3", "d1"]
    voting.cast(connection, clock(), ballot("d2", "ben", "unsure"), UNDO_S)
    assert shown("ben", 3) == ["d3", "d1"]
    clock.forward(61)
    assert shown("anna", 1) == ["d2"]


def test_a_pair_for_two_is_shown_to_two(connection: sqlite3.Connection) -> None:
    ask(connection, 1, double=True)
    found = [
        [task.task_id for task in waiting.upcoming(connection, NOW, who, "reviewer", limit=1, lease_s=60)]
        for who in ("anna", "ben", "cara")
    ]
    assert found == [["d1"], ["d1"], []]


def test_conflicts_come_first_and_to_leads_alone(connection: sqlite3.Connection) -> None:
    ask(connection, 1, double=True)
    ask(connection, 2)
    for who, verdict in (("anna", "match"), ("ben", "no_match")):
        voting.cast(connection, NOW, ballot("d1", who, verdict), UNDO_S)
    first = {
        role: waiting.upcoming(connection, NOW, f"new {role}", role, limit=1, lease_s=0.001)[0].task_id
        for role in ("lead", "reviewer")
    }
    assert first == {"lead": "d1", "reviewer": "d2"}
    assert orjson.loads(connection.execute("SELECT attributes FROM votes").fetchone()[0]) == {}
