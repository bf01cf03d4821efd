"""Tasks: what comes in becomes rows, each once, and gives way to what is newer.

Which task of a pair stands in the queue:

* A task that comes again (same `task_id`) brings its reasons and priority and changes nothing else.
* From `match.review` one with newer contents replaces an older one; about the same contents it takes its votes over.
* From `match.labeling` the last record of a pair counts, as `schemas.labeling` says; `withdrawn` takes it out.
* Both topics may ask for the same pair in the same state: then it is asked once, under the labelling task's id.
* A decision about newer contents takes out what only `match.review` asked for: a label would bind to nothing.
* A label about a task's contents settles it, whoever gave it; the teacher's leaves alone what was drawn to check it.

Non-goals: Kafka (`intake`), votes (`voting`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import orjson

from schemas.decision import MatchDecision
from schemas.events import dumps, format_time, sha256_hex
from schemas.label import Label
from schemas.labeling import LabelingTask
from schemas.review import ReviewTask
from worker.review.settling import State

Origin = Literal["review", "labeling", "import"]
WAITING = ("open", "adjudicate")
# Hash values are read as 13 hex digits: exact in a double.
_HASH_DIGITS = 13


@dataclass(frozen=True)
class Task:
    """A row of `tasks`."""

    task_id: str
    pair_id: str
    origin: Origin
    state: State
    why: str | None
    wanted: int
    double: bool
    stale: bool
    priority: float
    versions: tuple[int, int]
    digests: tuple[str, str]
    body: str
    created_at: str
    expires_at: str | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Task:
        return cls(
            row["task_id"], row["pair_id"], row["origin"], row["state"], row["why"], row["wanted"], bool(row["double"]),
            bool(row["stale"]), row["priority"], (row["first_version"], row["second_version"]),
            (row["first_digest"], row["second_digest"]), row["body"], row["created_at"], row["expires_at"],
        )  # fmt: skip

    @cached_property
    def event(self) -> ReviewTask | LabelingTask:
        """The event as it came."""
        kind = LabelingTask if self.origin == "labeling" else ReviewTask
        return kind.model_validate_json(self.body)

    @property
    def seen_verdict(self) -> str:
        """What the decision that is looked at said."""
        event = self.event
        return event.verdict if isinstance(event, LabelingTask) else "review"


def find(connection: sqlite3.Connection, task_id: str) -> Task | None:
    row = connection.execute("SELECT * FROM tasks WHERE task_id = ?", (task_id,)).fetchone()
    return None if row is None else Task.of(row)


def of_pair(connection: sqlite3.Connection, pair: str) -> list[Task]:
    """All tasks of a pair, newest first."""
    rows = connection.execute("SELECT * FROM tasks WHERE pair_id = ? ORDER BY seq DESC", (pair,))
    return [Task.of(row) for row in rows]


def take_review(
    connection: sqlite3.Connection, event: ReviewTask, double_share: float, origin: Origin = "review"
) -> None:
    """A task of `match.review`, or of a file."""
    urgency = 0.5 if event.probability is None else 1 - 2 * abs(event.probability - 0.5)
    known = find(connection, event.task_id)
    if known is not None:
        return
    waiting = _waiting(connection, event.pair_id)
    versions = (event.first.effective_version, event.second.effective_version)
    digests = (event.first.digest, event.second.digest)
    state: State = "open"
    why = None
    for other in waiting:
        if other.digests == digests and other.origin == "labeling":
            state, why = "superseded", "asked for by sampling as well"
        elif older(versions, other.versions):
            state, why = "superseded", "older than what is known"
    labelled = _label_about(connection, event.pair_id, digests, uniform=False)
    if state == "open" and labelled is not None:
        state, why = "labelled", f"label {labelled}"
    double = hash_share(event.task_id) < double_share
    _insert(connection, event, origin, state, why, urgency, double, None)
    if state == "open":
        for other in waiting:
            if other.origin != "labeling":
                _replace(connection, other, event.task_id, digests)


def take_labeling(connection: sqlite3.Connection, event: LabelingTask, now: datetime) -> None:
    """A record of `match.labeling`: a task, a later state of one, or its withdrawal."""
    known = find(connection, event.task_id)
    if event.withdrawn is not None:
        if known is not None and known.state in WAITING:
            _set_state(connection, event.task_id, "withdrawn", event.withdrawn.replace("_", " "))
        return
    digests = (event.first.digest, event.second.digest)
    if known is not None:
        # Also where it was a task of match.review before: from now on sampling says what becomes of it.
        connection.execute(
            "UPDATE tasks SET origin = 'labeling', body = ?, priority = ?, double = max(double, ?), stale = ?,"
            " expires_at = ? WHERE task_id = ?",
            (dumps(event).decode(), event.priority, event.double, event.stale, format_time(event.expires_at),
             event.task_id),
        )  # fmt: skip
        if known.state == "open" and event.double and not known.double:
            connection.execute("UPDATE tasks SET wanted = wanted + 1 WHERE task_id = ?", (event.task_id,))
        return
    waiting = _waiting(connection, event.pair_id)
    labelled = _label_about(connection, event.pair_id, digests, uniform="uniform" in event.reasons)
    state: State = "open" if labelled is None else "labelled"
    why = None if labelled is None else f"label {labelled}"
    _insert(connection, event, "labeling", state, why, event.priority, event.double, event.expires_at)
    for other in waiting:
        if state == "open" and (other.origin == "labeling" or other.digests == digests):
            _replace(connection, other, event.task_id, digests)
    if event.expires_at <= now and state == "open":
        _set_state(connection, event.task_id, "withdrawn", "expired")


def take_decision(connection: sqlite3.Connection, made: MatchDecision) -> None:
    """Keep a decision about a pair that is known here, for the history; take out tasks about older contents."""
    connection.execute(
        "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (made.decision_id, made.pair_id, made.verdict, made.probability, made.decided_by, made.label_id,
         f"{made.bundle.name} {made.bundle.version}", made.first.effective_version, made.second.effective_version,
         format_time(made.decided_at)),
    )  # fmt: skip
    versions = (made.first.effective_version, made.second.effective_version)
    digests = (made.first.digest, made.second.digest)
    for task in _waiting(connection, made.pair_id):
        if task.digests == digests or not older(task.versions, versions):
            continue
        if task.origin == "labeling":
            # An estimate still needs the answer, about what was decided then.
            connection.execute("UPDATE tasks SET stale = 1 WHERE task_id = ?", (task.task_id,))
        else:
            why = "an offer was deleted" if made.verdict == "retracted" else "an offer has changed"
            _set_state(connection, task.task_id, "withdrawn", why)


def take_label(connection: sqlite3.Connection, label: Label, partition: int, offset: int) -> None:
    """Keep a published label, whoever published it, and settle what asks about the same contents."""
    connection.execute(
        "INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (label.label_id, label.pair_id, label.decision_id, label.verdict, label.reviewer, label.first_digest,
         label.second_digest, format_time(label.labeled_at), dumps(label).decode(), partition, offset),
    )  # fmt: skip
    own = connection.execute(
        "UPDATE outbox SET state = 'published' WHERE label_id = ?", (label.label_id,)
    ).rowcount  # fmt: skip
    for task in _waiting(connection, label.pair_id):
        # Its own task was settled when the votes came in; where it waits again, the vote has been taken back since.
        if own and task.task_id == label.decision_id:
            continue
        if task.digests == label.digests and not (label.by == "teacher" and drawn_uniformly(task)):
            _set_state(connection, task.task_id, "labelled", f"label {label.label_id}")


def hash_share(task_id: str) -> float:
    """Where a task lies in [0, 1): the same everywhere and always, so that a share of tasks is a fixed set."""
    return int(sha256_hex(f"double:{task_id}".encode())[:_HASH_DIGITS], 16) / float(16**_HASH_DIGITS)


def older(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether versions `a` are those of an earlier state of the pair than `b`: nowhere newer, and not the same."""
    return a != b and a[0] <= b[0] and a[1] <= b[1]


def drawn_uniformly(task: Task) -> bool:
    """Whether it was drawn for the estimates: then only a person's answer counts."""
    return isinstance(task.event, LabelingTask) and "uniform" in task.event.reasons


def _waiting(connection: sqlite3.Connection, pair: str) -> list[Task]:
    return [task for task in of_pair(connection, pair) if task.state in WAITING]


def _label_about(connection: sqlite3.Connection, pair: str, digests: tuple[str, str], *, uniform: bool) -> str | None:
    rows = connection.execute(
        "SELECT label_id, body FROM labels WHERE pair_id = ? AND first_digest = ? AND second_digest = ?",
        (pair, *digests),
    ).fetchall()
    usable: Iterable[Any] = (row for row in rows if not uniform or orjson.loads(row["body"]).get("by") != "teacher")
    return next((str(row["label_id"]) for row in usable), None)


def _insert(
    connection: sqlite3.Connection,
    event: ReviewTask | LabelingTask,
    origin: Origin,
    state: State,
    why: str | None,
    priority: float,
    double: bool,
    expires_at: datetime | None,
) -> None:
    offers = (event.first_offer, event.second_offer)
    connection.execute(
        "INSERT INTO tasks VALUES (:task_id, (SELECT coalesce(max(seq), 0) + 1 FROM tasks), :pair_id, :origin, :state,"
        " :why, :wanted, :double, :stale, :priority, :first_key, :second_key, :first_version, :second_version,"
        " :first_digest, :second_digest, :titles, :body, :created_at, :expires_at)",
        {
            "task_id": event.task_id, "pair_id": event.pair_id, "origin": origin, "state": state, "why": why,
            "wanted": 2 if double else 1, "double": double,
            "stale": isinstance(event, LabelingTask) and event.stale, "priority": priority,
            "first_key": event.first.key, "second_key": event.second.key,
            "first_version": event.first.effective_version, "second_version": event.second.effective_version,
            "first_digest": event.first.digest, "second_digest": event.second.digest,
            "titles": "\n".join(offer.title.casefold() for offer in offers if offer is not None),
            "body": dumps(event).decode(), "created_at": format_time(event.created_at),
            "expires_at": None if expires_at is None else format_time(expires_at),
        },
    )  # fmt: skip


def _replace(connection: sqlite3.Connection, old: Task, new_id: str, digests: tuple[str, str]) -> None:
    """Take the old task out; what was said about the very same contents counts for the new one."""
    _set_state(connection, old.task_id, "superseded", "a newer task")
    if old.digests != digests:
        return
    connection.execute("UPDATE votes SET task_id = ? WHERE task_id = ?", (new_id, old.task_id))
    connection.execute(
        "UPDATE tasks SET state = ?, double = max(double, ?),"
        " wanted = max(1, CASE WHEN double OR ? THEN 2 ELSE 1 END - (SELECT count(*) FROM votes WHERE task_id = ?"
        " AND undone_at IS NULL AND verdict IN ('match', 'no_match'))) WHERE task_id = ?",
        (old.state, old.double, old.double, new_id, new_id),
    )


def _set_state(connection: sqlite3.Connection, task_id: str, state: State, why: str | None) -> None:
    connection.execute("UPDATE tasks SET state = ?, why = ? WHERE task_id = ?", (state, why, task_id))
    connection.execute("DELETE FROM leases WHERE task_id = ?", (task_id,))
