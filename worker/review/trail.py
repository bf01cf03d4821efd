"""Who did what: lines that are added, in the transaction of what they tell, and never changed (the table refuses)."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

import orjson

from schemas.events import format_time


def note(connection: sqlite3.Connection, at: datetime, actor: str, action: str, subject: str, /, **detail: Any) -> None:
    """Add a line. `subject` is a pair id, or the name of a user."""
    connection.execute(
        "INSERT INTO trail (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
        (format_time(at), actor, action, subject, orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode()),
    )


def lines(
    connection: sqlite3.Connection,
    *,
    actor: str | None = None,
    subject: str | None = None,
    before: int | None = None,
    limit: int = 200,
) -> list[dict[str, Any]]:
    """The newest lines first, of one actor or about one subject; `before` pages on from a line's `seq`."""
    found = connection.execute(
        "SELECT * FROM trail WHERE (:actor IS NULL OR actor = :actor) AND (:subject IS NULL OR subject = :subject)"
        " AND (:before IS NULL OR seq < :before) ORDER BY seq DESC LIMIT :limit",
        {"actor": actor, "subject": subject, "before": before, "limit": limit},
    )
    return [{**dict(row), "detail": orjson.loads(row["detail"])} for row in found]
