"""Which task of a pair stands in the queue."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.worker.review.making import NOW, ballot, label, labeling_task, later_decision, review_task
from worker.review import tasks, voting
from worker.review.database import Database


@pytest.fixture
def connection(database: Database) -> Iterator[sqlite3.Connection]:
    with database.write() as opened:
        yield opened


def states(connection: sqlite3.Connection) -> dict[str, str]:
    return {row["task_id"]: row["state"] for row in connection.execute("SELECT * FROM tasks")}


def test_a_task_that_comes_again_is_one(connection: sqlite3.Connection) -> None:
    for _ in range(2):
        tasks.take_review(connection, review_task(), 0)
    assert states(connection) == {"d1": "open"}


def test_newer_contents_replace_older_in_whichever_order_they_come(connection: sqlite3.Connection) -> None:
    for number in (1, 2):
        events = [review_task(number), review_task(number, (2, 1), f"n{number}")]
        for event in events if number == 1 else reversed(events):
            tasks.take_review(connection, event, 0)
    assert states(connection) == {"d1": "superseded", "n1": "open", "d2": "superseded", "n2": "open"}


def test_the_same_contents_asked_again_keep_what_was_said(connection: sqlite3.Connection) -> None:
    tasks.take_review(connection, review_task(), 1.0)
    voting.cast(connection, NOW, ballot("d1", "anna", "match"), 10)
    tasks.take_review(connection, review_task(decision="again"), 1.0)
    assert states(connection) == {"d1": "superseded", "again": "open"}
    cast = voting.cast(connection, NOW, ballot("again", "ben", "match"), 10)
    assert cast.state == "labelled"


def test_sampling_and_review_ask_once_for_the_same_contents(connection: sqlite3.Connection) -> None:
    tasks.take_review(connection, review_task(decision="doubt"), 0)
    tasks.take_labeling(connection, labeling_task(), NOW)
    assert states(connection) == {"doubt": "superseded", "d1": "open"}
    tasks.take_review(connection, review_task(decision="later doubt"), 0)
    assert states(connection)["later doubt"] == "superseded"


def test_a_decision_drawn_after_it_was_doubted_follows_the_sampling(connection: sqlite3.Connection) -> None:
    tasks.take_review(connection, review_task(), 0)
    tasks.take_labeling(connection, labeling_task(double=True), NOW)
    task = tasks.find(connection, "d1")
    assert task is not None
    assert (task.origin, task.double, task.wanted, task.priority) == ("labeling", True, 2, 2.0)


def test_a_withdrawn_task_leaves_the_queue(connection: sqlite3.Connection) -> None:
    tasks.take_labeling(connection, labeling_task(), NOW)
    tasks.take_labeling(connection, labeling_task(withdrawn="offer_deleted"), NOW)
    task = tasks.find(connection, "d1")
    assert task is not None
    assert (task.state, task.why) == ("withdrawn", "offer deleted")


def test_an_expired_task_is_not_asked(connection: sqlite3.Connection) -> None:
    tasks.take_labeling(connection, labeling_task(), NOW + timedelta(days=31))
    assert states(connection) == {"d1": "withdrawn"}


@pytest.mark.parametrize(("verdict", "why"), [("match", "an offer has changed"), ("retracted", "an offer was deleted")])
def test_a_decision_on_newer_contents_takes_a_doubt_out(connection: sqlite3.Connection, verdict: str, why: str) -> None:
    tasks.take_review(connection, review_task(1), 0)
    tasks.take_labeling(connection, labeling_task(2), NOW)
    for number in (1, 2):
        tasks.take_decision(connection, later_decision(number, verdict, (1, 2)))
    doubt, drawn = tasks.find(connection, "d1"), tasks.find(connection, "d2")
    assert doubt is not None
    assert drawn is not None
    assert (doubt.state, doubt.why) == ("withdrawn", why)
    assert (drawn.state, drawn.stale) == ("open", True)


def test_a_decision_on_the_same_or_older_contents_changes_nothing(connection: sqlite3.Connection) -> None:
    tasks.take_review(connection, review_task(1, (2, 2)), 0)
    for versions in ((2, 2), (1, 2)):
        tasks.take_decision(connection, later_decision(1, "no_match", versions))
    assert states(connection) == {"d1": "open"}


def test_a_label_settles_what_asks_about_its_contents_before_or_after(connection: sqlite3.Connection) -> None:
    tasks.take_review(connection, review_task(1), 0)
    for number in (1, 2):
        tasks.take_label(connection, label(number), 0, number)
    tasks.take_review(connection, review_task(2), 0)
    tasks.take_review(connection, review_task(1, (2, 1), "changed"), 0)
    assert states(connection) == {"d1": "labelled", "d2": "labelled", "changed": "open"}


def test_the_teachers_label_leaves_what_checks_the_teacher(connection: sqlite3.Connection) -> None:
    tasks.take_labeling(connection, labeling_task(1), NOW)
    tasks.take_labeling(connection, labeling_task(2, reasons=["uncertainty"], rates={"uncertainty": 0.1}), NOW)
    for number in (1, 2):
        tasks.take_label(connection, label(number, by="teacher"), 0, number)
    assert states(connection) == {"d1": "open", "d2": "labelled"}


def test_the_double_share_is_a_fixed_set_of_about_that_size() -> None:
    chosen = [tasks.hash_share(f"task{number}") < 0.2 for number in range(5_000)]
    assert 0.17 < sum(chosen) / len(chosen) < 0.23
    assert chosen == [tasks.hash_share(f"task{number}") < 0.2 for number in range(5_000)]
