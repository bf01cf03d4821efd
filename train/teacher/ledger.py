"""What the teacher said of each task and what became of it, in one local SQLite file beside the store of replies.

A row a contents (pair and both digests): the same contents asked about again change nothing. It is written before the
answer is published, so that an answer never stands without its row; a crash between leaves a row whose answer follows.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from train.teacher.answering import ANSWERED, Answered, Asked, Outcome
from train.teacher.store import StoreError

_TABLE = """
create table if not exists answers (
    pair_id text not null,
    first_digest text not null,
    second_digest text not null,
    task_id text not null,
    outcome text not null,
    why text not null,
    verdict text,               -- null: it has none
    confidence real,
    model text not null,
    said_at text not null,
    primary key (pair_id, first_digest, second_digest)
) without rowid
"""


class Ledger:
    """The file; use as a context manager. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute(_TABLE)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def note(
        self, asked: Asked, outcome: Outcome, why: str, verdict: str | None, confidence: float | None, model: str
    ) -> Outcome:
        """Write it down unless these contents are there; returns the outcome that stands."""
        self._db.execute(
            "insert or ignore into answers values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*asked.contents, asked.task_id, outcome, why, verdict, confidence, model, datetime.now(UTC).isoformat()),
        )
        row = self._db.execute(
            "select outcome from answers where pair_id = ? and first_digest = ? and second_digest = ?", asked.contents
        ).fetchone()
        held: Outcome = row[0]
        return held

    def answered(self) -> list[Answered]:
        """All that it gave an answer to, published or kept back."""
        rows = self._db.execute("select pair_id, first_digest, second_digest, outcome, verdict from answers")
        return [Answered((a, b, c), outcome, verdict) for a, b, c, outcome, verdict in rows if outcome in ANSWERED]

    def outcomes(self) -> Counter[str]:
        """How many there are of each outcome."""
        return Counter(dict(self._db.execute("select outcome, count(*) from answers group by outcome").fetchall()))
