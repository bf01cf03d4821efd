"""Every reply that was paid for, in one local SQLite file: the cache, the purse and the provenance.

A reply is kept under the hash of all that shapes it (step, model, prompt version, messages, sampling), so that asking
again costs nothing. A request is written down *before* it is sent, with what it can cost at most; the line goes away
when its outcome is known. So a run that was killed, or a request that timed out after the server may have done the
work, still counts against the budget. One process at a time: the file is locked while it is open.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

FORMAT = 1
_TABLES = """
create table if not exists replies (
    key text primary key,
    step text not null,
    model text not null,
    prompt_version text not null,
    request blob not null,      -- JSON: messages and sampling
    text text not null,         -- the raw reply
    finish_reason text not null,
    served_by text not null,    -- the model as the server named it
    endpoint text not null,
    structured text not null,   -- the form of reply that was asked for
    prompt_tokens integer not null,
    cached_tokens integer not null,
    completion_tokens integer not null,
    estimated integer not null, -- 1: the server stated no usage
    cost text,                  -- decimal; null: no price was known
    received_at text not null
) without rowid;
create table if not exists sent (
    id integer primary key,
    key text not null,
    step text not null,
    ceiling text not null,      -- decimal; what it can have cost at most
    sent_at text not null
);
"""


class StoreError(Exception):
    """The store cannot be opened; the text names the file and why."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one reply. ``cached`` is the part of ``prompt`` that the server had before."""

    prompt: int
    completion: int
    cached: int = 0
    estimated: bool = False


@dataclass(frozen=True)
class Reply:
    """One raw reply with its price; ``fresh`` when it was paid for just now."""

    key: str
    text: str
    finish_reason: str
    served_by: str
    structured: str
    usage: Usage
    cost: Decimal | None
    fresh: bool = False


def content_key(step: str, model: str, prompt_version: str, messages: Any, sampling: Any) -> str:
    """SHA-256 (hex) of all that shapes a reply."""
    content = [step, model, prompt_version, messages, sampling]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Store:
    """The file. Use as a context manager; not to be shared by threads.

    Raises:
        StoreError: no such folder, not ours, or in use by another process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Autocommit: every statement of ours is one whole step, and durable when it returns.
            self._db = sqlite3.connect(path, isolation_level=None, timeout=1)
            # The lock is taken by the first write and held until the end.
            self._db.execute("pragma locking_mode = exclusive")
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.execute("begin immediate")
            version = self._db.execute("pragma user_version").fetchone()[0]
            tables = self._db.execute("select count(*) from sqlite_master").fetchone()[0]
            if version != FORMAT and (version != 0 or tables != 0):
                raise StoreError(f"{path}: not a store of this version (format {version}, expected {FORMAT})")
            self._db.execute("commit")
            self._db.executescript(_TABLES)
            self._db.execute(f"pragma user_version = {FORMAT}")
        except sqlite3.Error as error:
            why = "in use by another run" if "locked" in str(error) else str(error)
            raise StoreError(f"{path}: {why}") from error
        self.spent = self._sum("select cost from replies where cost is not null")
        self.at_risk = self._sum("select ceiling from sent")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _sum(self, query: str) -> Decimal:
        return sum((Decimal(row[0]) for row in self._db.execute(query)), Decimal(0))

    def get(self, key: str) -> Reply | None:
        """The reply kept under a key."""
        row = self._db.execute(
            "select text, finish_reason, served_by, structured, prompt_tokens, completion_tokens, cached_tokens,"
            " estimated, cost from replies where key = ?",
            (key,),
        ).fetchone()
        if row is None:
            return None
        usage = Usage(row[4], row[5], row[6], bool(row[7]))
        return Reply(key, row[0], row[1], row[2], row[3], usage, None if row[8] is None else Decimal(row[8]))

    def sending(self, key: str, step: str, ceiling: Decimal) -> int:
        """Write down that a request goes out now; returns the line's number."""
        self.at_risk += ceiling
        line = self._db.execute(
            "insert into sent (key, step, ceiling, sent_at) values (?, ?, ?, ?)", (key, step, str(ceiling), _now())
        ).lastrowid
        assert line is not None
        return line

    def not_charged(self, line: int) -> None:
        """The request certainly cost nothing: it was refused, or never arrived."""
        with self._db:
            self._settle(line)

    def put(
        self, line: int, reply: Reply, step: str, model: str, prompt_version: str, request: Any, endpoint: str
    ) -> None:
        """Keep the reply of a request, and cross out its line, in one transaction."""
        usage = reply.usage
        self._db.execute("begin immediate")
        self._db.execute(
            "insert or replace into replies values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                reply.key, step, model, prompt_version, orjson.dumps(request), reply.text, reply.finish_reason,
                reply.served_by, endpoint, reply.structured, usage.prompt, usage.cached, usage.completion,
                int(usage.estimated), None if reply.cost is None else str(reply.cost), _now(),
            ),
        )  # fmt: skip
        self._settle(line)
        self._db.execute("commit")
        self.spent += reply.cost or 0

    def _settle(self, line: int) -> None:
        row = self._db.execute("delete from sent where id = ? returning ceiling", (line,)).fetchone()
        if row is not None:
            self.at_risk -= Decimal(row[0])

    def spent_since(self, moment: datetime) -> Decimal:
        """What was paid, or may have been, since then."""
        since = moment.astimezone(UTC).isoformat(timespec="milliseconds")
        paid = "select cost from replies where cost is not null and received_at >= ?"
        return sum(
            (Decimal(row[0]) for query in (paid, "select ceiling from sent where sent_at >= ?")
             for row in self._db.execute(query, (since,))),
            Decimal(0),
        )  # fmt: skip

    def totals(self) -> Iterator[tuple[str, int, int, int, Decimal]]:
        """Of all that was ever paid for, by step: (step, replies, prompt tokens, completion tokens, cost)."""
        by_step: dict[str, tuple[int, int, int, Decimal]] = {}
        for step, prompt, completion, cost in self._db.execute(
            "select step, prompt_tokens, completion_tokens, cost from replies"
        ):
            n, p, c, money = by_step.get(step, (0, 0, 0, Decimal(0)))
            by_step[step] = (n + 1, p + prompt, c + completion, money + Decimal(cost or 0))
        for step, counts in sorted(by_step.items()):
            yield (step, *counts)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
