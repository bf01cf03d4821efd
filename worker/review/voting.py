"""Casting a vote and taking it back; labels that follow from votes go to the outbox in the same transaction.

Undo within the grace period cancels the label before anybody has seen it. After it the label stays, since nothing takes
one back but a later one: the pair is asked again, and the new answer replaces it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from schemas.events import canonical, dumps, format_time, sha256_hex
from schemas.label import Label
from schemas.rationale import Attribute, Verdict
from worker.review.errors import Contradiction, NotAllowed, Stale
from worker.review.settling import Outcome, Said, Vote, contradictions, settle
from worker.review.tasks import WAITING, Task, find
from worker.review.trail import note as write_down

LEADING = ("lead", "admin")


@dataclass(frozen=True)
class Ballot:
    """What somebody wants to say. `cast_id` is made by the page, so that a request that is sent twice counts once."""

    cast_id: str
    task_id: str
    reviewer: str
    role: str
    verdict: Said
    attributes: Mapping[Attribute, Verdict] = field(default_factory=dict)
    note: str | None = None
    elapsed_ms: int | None = None


@dataclass(frozen=True)
class Cast:
    """What came of a vote: the task's state, and whether a label is on its way."""

    state: str
    label_id: str | None = None
    repeated: bool = False


@dataclass(frozen=True)
class Undone:
    """What was taken back; `published`: its label had already left, and stands until another replaces it."""

    task_id: str
    pair_id: str
    verdict: str
    published: bool


def cast(connection: sqlite3.Connection, now: datetime, ballot: Ballot, undo_s: float) -> Cast:
    """Record the vote and what follows from it. Raises Stale, Contradiction, NotAllowed."""
    held = connection.execute("SELECT * FROM votes WHERE cast_id = ?", (ballot.cast_id,)).fetchone()
    task = find(connection, ballot.task_id)
    if held is not None:
        if held["reviewer"] != ballot.reviewer:
            raise NotAllowed("this vote belongs to somebody else")
        return Cast(task.state if task else "open", repeated=True)
    if task is None:
        raise Stale("there is no such pair in the queue")
    if task.state not in WAITING:
        raise Stale(_gone(task))
    clash = contradictions(ballot.verdict, ballot.attributes)
    if clash:
        raise Contradiction(f"a match cannot have a different {' or '.join(clash)}: correct one of the two")
    standing = votes_of(connection, task.task_id)
    if any(vote.reviewer == ballot.reviewer for vote in standing):
        raise Stale("you have already said what you think of this pair; undo it first (z)")
    adjudicates = task.state == "adjudicate"
    if adjudicates and ballot.role not in LEADING:
        raise NotAllowed("two people disagree about this pair: a lead decides")
    connection.execute(
        "INSERT INTO votes (cast_id, task_id, reviewer, verdict, attributes, note, adjudicates, elapsed_ms, cast_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (ballot.cast_id, task.task_id, ballot.reviewer, ballot.verdict, orjson.dumps(dict(ballot.attributes)).decode(),
         ballot.note, adjudicates, ballot.elapsed_ms, format_time(now)),
    )  # fmt: skip
    connection.execute("DELETE FROM leases WHERE task_id = ? AND reviewer = ?", (task.task_id, ballot.reviewer))
    outcome = _settle(connection, task)
    label_id = _enqueue(connection, now, task, outcome, undo_s) if outcome.verdict is not None else None
    write_down(
        connection, now, ballot.reviewer, "adjudicated" if adjudicates else "voted", task.pair_id,
        task=task.task_id, verdict=ballot.verdict, attributes=dict(ballot.attributes), note=ballot.note,
        state=outcome.state, label=label_id,
    )  # fmt: skip
    return Cast(outcome.state, label_id)


def undo(connection: sqlite3.Connection, now: datetime, reviewer: str) -> Undone:
    """Take back this person's last vote that still counts. Raises Stale when there is none, or its pair has moved."""
    vote = connection.execute(
        "SELECT * FROM votes WHERE reviewer = ? AND undone_at IS NULL ORDER BY vote_id DESC LIMIT 1", (reviewer,)
    ).fetchone()
    if vote is None:
        raise Stale("there is nothing to undo")
    task = find(connection, vote["task_id"])
    if task is None or task.state in ("superseded", "withdrawn"):
        raise Stale("your last pair is no longer asked: " + ("it is gone" if task is None else _gone(task)))
    connection.execute("UPDATE votes SET undone_at = ? WHERE vote_id = ?", (format_time(now), vote["vote_id"]))
    outcome = _settle(connection, task)
    published = False
    # Where a lead has settled it, what the others said does not matter any more.
    if outcome.state != "labelled":
        connection.execute(
            "UPDATE outbox SET state = 'cancelled' WHERE task_id = ? AND state = 'waiting'", (task.task_id,)
        )
        left = connection.execute(
            "SELECT 1 FROM outbox WHERE task_id = ? AND state IN ('sending', 'published')", (task.task_id,)
        ).fetchone()
        published = task.state == "labelled" and left is not None
    write_down(
        connection, now, reviewer, "took back", task.pair_id,
        task=task.task_id, verdict=vote["verdict"], label_had_left=published,
    )  # fmt: skip
    return Undone(task.task_id, task.pair_id, vote["verdict"], published)


def reopen(connection: sqlite3.Connection, now: datetime, task_id: str, actor: str, role: str) -> None:
    """Ask a labelled pair again: a lead settles it, and the new label replaces the old. Raises Stale, NotAllowed."""
    if role not in LEADING:
        raise NotAllowed("only a lead may ask a labelled pair again")
    task = find(connection, task_id)
    if task is None or task.state != "labelled":
        raise Stale("only a labelled pair can be asked again" if task is None else _gone(task))
    connection.execute(
        "UPDATE votes SET undone_at = ? WHERE task_id = ? AND adjudicates AND undone_at IS NULL",
        (format_time(now), task_id),
    )
    # A lead who voted as a reviewer before must be able to say it anew.
    connection.execute(
        "UPDATE votes SET undone_at = ? WHERE task_id = ? AND reviewer = ? AND undone_at IS NULL",
        (format_time(now), task_id, actor),
    )
    connection.execute("UPDATE outbox SET state = 'cancelled' WHERE task_id = ? AND state = 'waiting'", (task_id,))
    connection.execute(
        "UPDATE tasks SET state = 'adjudicate', wanted = 1, why = ? WHERE task_id = ?",
        (f"asked again by {actor}", task_id),
    )
    write_down(connection, now, actor, "asked again", task.pair_id, task=task_id)


def votes_of(connection: sqlite3.Connection, task_id: str) -> list[Vote]:
    """The standing votes of a task, in the order in which they were cast."""
    rows = connection.execute(
        "SELECT * FROM votes WHERE task_id = ? AND undone_at IS NULL ORDER BY vote_id", (task_id,)
    )
    return [
        Vote(row["reviewer"], row["verdict"], orjson.loads(row["attributes"]), row["note"], bool(row["adjudicates"]))
        for row in rows
    ]


def label_id(task_id: str, reviewer: str, revision: int) -> str:
    """64 hex digits: the same answer of the same people to the same task is the same label, also after a crash."""
    return sha256_hex(canonical(["review-page", task_id, reviewer, revision]))


def _settle(connection: sqlite3.Connection, task: Task) -> Outcome:
    outcome = settle(votes_of(connection, task.task_id), double=task.double)
    connection.execute(
        "UPDATE tasks SET state = ?, wanted = ?, why = NULL WHERE task_id = ?",
        (outcome.state, outcome.wanted, task.task_id),
    )
    return outcome


def _enqueue(connection: sqlite3.Connection, now: datetime, task: Task, outcome: Outcome, undo_s: float) -> str:
    if outcome.verdict is None:
        raise ValueError("only a settled task has a label")
    # A plus sign is in no user's name.
    reviewer = "+".join(outcome.reviewers)
    (known,) = connection.execute(
        "SELECT count(*) FROM (SELECT label_id FROM outbox WHERE task_id = :task UNION"
        " SELECT label_id FROM labels WHERE decision_id = :task)",
        {"task": task.task_id},
    ).fetchone()
    event = task.event
    label = Label.model_validate(
        {
            "label_id": label_id(task.task_id, reviewer, known + 1), "pair_id": task.pair_id,
            "first_digest": task.digests[0], "second_digest": task.digests[1], "verdict": outcome.verdict,
            "attributes": dict(outcome.attributes), "decision_id": event.decision_id,
            "seen_verdict": task.seen_verdict, "reviewer": reviewer, "note": outcome.note, "labeled_at": now,
        }
    )  # fmt: skip
    connection.execute(
        "INSERT INTO outbox (label_id, task_id, pair_id, value, due_at) VALUES (?, ?, ?, ?, ?)",
        (label.label_id, task.task_id, task.pair_id, dumps(label), format_time(now + timedelta(seconds=undo_s))),
    )
    return label.label_id


def _gone(task: Task) -> str:
    told = {
        "labelled": "this pair has been labelled meanwhile",
        "superseded": "a newer version of this pair is in the queue",
        "withdrawn": f"this pair was taken out of the queue: {task.why}",
    }
    return told.get(task.state, f"this pair is {task.state}")
