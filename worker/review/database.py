"""The page's memory: one SQLite file, its tables, and the two ways to touch it.

Intent: what is written together is committed together, and synced before anybody is told (`synchronous=FULL`). Tasks,
decisions and labels can be read again from Kafka; users, votes and the trail exist only here, so back the file up
(`sqlite3 review.db ".backup copy.db"`). Non-goal: what the rows mean; each table belongs to the module of its name.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.review.errors import InUse, ReviewError

VERSION = 1
# Milliseconds: `samesku review users` and a running page share the file.
BUSY_MS = 10_000

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE positions (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

CREATE TABLE tasks (
    task_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    pair_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL,
    why TEXT,
    wanted INTEGER NOT NULL DEFAULT 1,
    double INTEGER NOT NULL,
    stale INTEGER NOT NULL DEFAULT 0,
    priority REAL NOT NULL,
    first_key TEXT NOT NULL, second_key TEXT NOT NULL,
    first_version INTEGER NOT NULL, second_version INTEGER NOT NULL,
    first_digest TEXT NOT NULL, second_digest TEXT NOT NULL,
    titles TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT
);
CREATE INDEX tasks_waiting ON tasks (state, priority DESC, seq);
CREATE INDEX tasks_of_pair ON tasks (pair_id, seq);
CREATE INDEX tasks_first ON tasks (first_key);
CREATE INDEX tasks_second ON tasks (second_key);

CREATE TABLE leases (
    task_id TEXT NOT NULL, reviewer TEXT NOT NULL, until TEXT NOT NULL, PRIMARY KEY (task_id, reviewer)
) WITHOUT ROWID;

CREATE TABLE votes (
    vote_id INTEGER PRIMARY KEY AUTOINCREMENT,
    cast_id TEXT NOT NULL UNIQUE,
    task_id TEXT NOT NULL REFERENCES tasks,
    reviewer TEXT NOT NULL,
    verdict TEXT NOT NULL,
    attributes TEXT NOT NULL,
    note TEXT,
    adjudicates INTEGER NOT NULL DEFAULT 0,
    elapsed_ms INTEGER,
    cast_at TEXT NOT NULL,
    undone_at TEXT
);
CREATE UNIQUE INDEX votes_live ON votes (task_id, reviewer) WHERE undone_at IS NULL;
CREATE INDEX votes_of_reviewer ON votes (reviewer, cast_at);

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    label_id TEXT NOT NULL UNIQUE,
    task_id TEXT NOT NULL REFERENCES tasks,
    pair_id TEXT NOT NULL,
    value BLOB NOT NULL,
    due_at TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'published', 'cancelled'))
);
CREATE INDEX outbox_state ON outbox (state, seq);
CREATE INDEX outbox_task ON outbox (task_id);

CREATE TABLE labels (
    label_id TEXT PRIMARY KEY,
    pair_id TEXT NOT NULL,
    decision_id TEXT,
    verdict TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    first_digest TEXT NOT NULL, second_digest TEXT NOT NULL,
    labeled_at TEXT NOT NULL,
    body TEXT NOT NULL,
    partition INTEGER NOT NULL, position INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX labels_of_pair ON labels (pair_id, partition, position);

CREATE TABLE decisions (
    decision_id TEXT PRIMARY KEY,
    pair_id TEXT NOT NULL,
    verdict TEXT NOT NULL,
    probability REAL,
    decided_by TEXT NOT NULL,
    label_id TEXT,
    bundle TEXT NOT NULL,
    first_version INTEGER NOT NULL, second_version INTEGER NOT NULL,
    decided_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX decisions_of_pair ON decisions (pair_id, decided_at);

CREATE TABLE users (
    name TEXT PRIMARY KEY,
    password TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('reviewer', 'lead', 'admin')),
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
    token TEXT PRIMARY KEY,
    name TEXT NOT NULL REFERENCES users,
    csrf TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    revoked_at TEXT
) WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (name);

CREATE TABLE trail (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX trail_of_actor ON trail (actor, seq);
CREATE INDEX trail_of_subject ON trail (subject, seq);
CREATE TRIGGER trail_is_kept BEFORE DELETE ON trail BEGIN SELECT raise(ABORT, 'the trail is only added to'); END;
CREATE TRIGGER trail_stands BEFORE UPDATE ON trail BEGIN SELECT raise(ABORT, 'the trail is only added to'); END;
"""


class Database:
    """One connection for all threads, one at a time. Holding it takes microseconds to milliseconds, never a wait."""

    def __init__(self, path: Path | str) -> None:
        """Open the file, making it (for its owner only) and its tables where they are missing. Raises ReviewError."""
        self.path = Path(path)
        self._lock = threading.RLock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise ReviewError(f"{self.path}: {error}") from error
        self._connection.row_factory = sqlite3.Row
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise ReviewError(f"{self.path} is no database of the review page: {error}") from error
        except ReviewError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self.write() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                # executescript would commit first; statements hold no ';' but at their ends and inside triggers.
                for statement in _statements(_SCHEMA):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            elif version != VERSION:
                raise ReviewError(f"{self.path} has layout {version}; this version of SameSKU reads {VERSION}")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """All of the block, or nothing of it."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """What is committed, the same for the whole block."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("COMMIT")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one that serves from this file, also across processes. Raises InUse."""
        with self.path.with_name(f"{self.path.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InUse(f"another process serves the review page from {self.path}") from error
            yield

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def _statements(script: str) -> Iterator[str]:
    held = ""
    for line in script.splitlines():
        held += line + "\n"
        if sqlite3.complete_statement(held):
            yield held
            held = ""
