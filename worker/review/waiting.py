"""The queue: who is shown which pair next, and how much is left."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson

from schemas.events import format_time
from worker.review.tasks import Task
from worker.review.voting import LEADING

_NEXT = """
SELECT * FROM tasks AS t
WHERE state = :state AND (expires_at IS NULL OR expires_at > :now)
  AND NOT EXISTS (SELECT 1 FROM votes v WHERE v.task_id = t.task_id AND v.reviewer = :reviewer AND undone_at IS NULL)
  AND (SELECT count(*) FROM leases l WHERE l.task_id = t.task_id AND l.reviewer != :reviewer AND l.until > :now)
      < t.wanted
  AND task_id NOT IN (SELECT value FROM json_each(:holding))
ORDER BY priority DESC, seq LIMIT :limit
"""


def upcoming(
    connection: sqlite3.Connection,
    now: datetime,
    reviewer: str,
    role: str,
    *,
    limit: int,
    lease_s: float,
    holding: Sequence[str] = (),
) -> list[Task]:
    """The next pairs for this person, leased to them: by priority, and conflicts first for those who may settle them.

    `holding` are pairs that the browser has already. Nobody is given a pair that they have voted on, or one that
    enough others are looking at.
    """
    found: list[Task] = []
    for state in ("adjudicate", "open") if role in LEADING else ("open",):
        if len(found) < limit:
            rows = connection.execute(
                _NEXT,
                {"state": state, "now": format_time(now), "reviewer": reviewer, "limit": limit - len(found),
                 "holding": _json([*holding, *(task.task_id for task in found)])},
            )  # fmt: skip
            found += [Task.of(row) for row in rows]
    lease(connection, now, reviewer, [*holding, *(task.task_id for task in found)], lease_s)
    return found


def lease(connection: sqlite3.Connection, now: datetime, reviewer: str, tasks: Sequence[str], lease_s: float) -> None:
    """These pairs, and no others, are on this person's screen from now on."""
    until = format_time(now + timedelta(seconds=lease_s))
    connection.execute("DELETE FROM leases WHERE reviewer = ? OR until <= ?", (reviewer, format_time(now)))
    connection.executemany(
        "INSERT OR REPLACE INTO leases SELECT task_id, ?, ? FROM tasks WHERE task_id = ?",
        [(reviewer, until, task) for task in tasks],
    )


def _json(values: Sequence[str]) -> str:
    return orjson.dumps(list(values)).decode()


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Tasks by state."""
    return {row[0]: row[1] for row in connection.execute("SELECT state, count(*) FROM tasks GROUP BY state")}


def cast_since(connection: sqlite3.Connection, reviewer: str, since: datetime) -> int:
    """Votes of one person that count, skips left out."""
    (found,) = connection.execute(
        "SELECT count(*) FROM votes WHERE reviewer = ? AND cast_at >= ? AND undone_at IS NULL AND verdict != 'skip'",
        (reviewer, format_time(since)),
    ).fetchone()
    return int(found)
