"""The frozen input of one replay, in one SQLite file: what is judged, with the contents of that time.

Intent: once `inputs.sqlite` is complete, a replay needs neither Kafka nor the audit store to go on, or to be verified.
The file holds listing text; whoever must erase an offer's text deletes the run's folder. Non-goal: results.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from schemas.decision import MatchDecision, Side, standing_order, supersedes
from schemas.events import dumps
from schemas.offer import Offer
from worker.stream.records import Record

FILE = "inputs.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS stands (pair TEXT PRIMARY KEY, decision BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS found (place TEXT PRIMARY KEY, pair TEXT NOT NULL, decision BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pairs (number INTEGER PRIMARY KEY, pair TEXT NOT NULL, decision BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS pairs_pair ON pairs (pair);
CREATE TABLE IF NOT EXISTS offers (digest TEXT PRIMARY KEY, offer BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS catalogue (key TEXT PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS arrived (
    at INTEGER NOT NULL, part INTEGER NOT NULL, place INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (part, place)
);
CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS judged (key TEXT PRIMARY KEY, said BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""
# SQLite's default limit of bound parameters was 999 for long.
_ASK = 500
_OUTCOMES = "outcomes/"


class Inputs:
    """See the module. One process at a time; `commit` makes what was written durable."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path)
        self._db.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def commit(self) -> None:
        self._db.commit()

    # Decisions

    def note_standing(self, made: MatchDecision, whole: bool = False) -> None:
        """Keep a decision where it stands over what is kept of its pair; without its rationale unless `whole`."""
        held = self.standing(made.pair_id)
        if held is None or supersedes(made, held):
            data = dumps(made) if whole else _slim(made)
            self._db.execute("INSERT OR REPLACE INTO stands VALUES (?, ?)", (made.pair_id, data))

    def standing(self, pair: str) -> MatchDecision | None:
        """What stands of a pair, as far as it was noted."""
        row = self._db.execute("SELECT decision FROM stands WHERE pair = ?", (pair,)).fetchone()
        return None if row is None else MatchDecision.model_validate_json(row[0])

    def all_standing(self) -> Iterator[MatchDecision]:
        for (data,) in self._db.execute("SELECT decision FROM stands"):
            yield MatchDecision.model_validate_json(data)

    def note_found(self, made: MatchDecision, place: str) -> None:
        """Keep a decision whatever stands; `place` names its record."""
        self._db.execute("INSERT OR REPLACE INTO found VALUES (?, ?, ?)", (place, made.pair_id, _slim(made)))

    def number_pairs(self, every: bool) -> int:
        """Give what is to be judged again its canonical order; returns how many.

        By the query's key and content first, so that its tokens are computed once; the order is that of the contents
        of the log alone, and not of how its partitions were read.
        """
        table = "found" if every else "stands"
        keys = []
        with closing(self._db.execute(f"SELECT rowid, decision FROM {table}")) as rows:
            for row, data in rows:
                made = MatchDecision.model_validate_json(data)
                keys.append((made.query_key, query_digest(made), made.pair_id, standing_order(made), row))
        keys.sort()
        self._db.execute("DELETE FROM pairs")
        for number, (*_, row) in enumerate(keys):
            self._db.execute(
                f"INSERT INTO pairs SELECT ?, pair, decision FROM {table} WHERE rowid = ?",
                (number, row),
            )
        self._db.execute("DELETE FROM stands")
        self._db.execute("DELETE FROM found")
        return len(keys)

    def pairs(self, begin: int, end: int) -> list[MatchDecision]:
        """The decisions to be judged again, numbers `begin` to `end` (exclusive)."""
        rows = self._db.execute(
            "SELECT decision FROM pairs WHERE number >= ? AND number < ? ORDER BY number", (begin, end)
        )
        return [MatchDecision.model_validate_json(row[0]) for row in rows]

    def has_pair(self, pair: str) -> bool:
        return self._db.execute("SELECT 1 FROM pairs WHERE pair = ? LIMIT 1", (pair,)).fetchone() is not None

    def sides(self) -> Iterator[Side]:
        """The sides of the numbered pairs."""
        for (data,) in self._db.execute("SELECT decision FROM pairs ORDER BY number"):
            made = MatchDecision.model_validate_json(data)
            yield made.first
            yield made.second

    def digests(self) -> Iterator[str]:
        """The contents that the numbered pairs need."""
        return (side.digest for side in self.sides())

    # Contents

    def note_offers(self, offers: Iterable[Offer]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO offers VALUES (?, ?)",
            ((offer.digest(), offer.model_dump_json()) for offer in offers),
        )

    def offers(self, digests: Collection[str]) -> dict[str, Offer]:
        """Contents by digest; those that are not there are left out."""
        found: dict[str, Offer] = {}
        asked = sorted(set(digests))
        for start in range(0, len(asked), _ASK):
            part = asked[start : start + _ASK]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(f"SELECT digest, offer FROM offers WHERE digest IN ({marks})", part)
            found |= {digest: Offer.model_validate_json(data) for digest, data in rows}
        return found

    # Changes

    def note_catalogue(self, key: str, record: Record) -> None:
        """What the catalogue held of an offer before the range; the last one noted stays."""
        self._db.execute("INSERT OR REPLACE INTO catalogue VALUES (?, ?)", (key, _packed(record)))

    def catalogue(self) -> Iterator[Record]:
        for (data,) in self._db.execute("SELECT record FROM catalogue ORDER BY key"):
            yield _unpacked(data)

    def note_change(self, at: int, record: Record) -> None:
        """A change of the range; `at` orders it among other partitions' and must not fall within its own."""
        row = (at, record.partition, record.offset, _packed(record))
        self._db.execute("INSERT OR REPLACE INTO arrived VALUES (?, ?, ?, ?)", row)

    def number_changes(self) -> int:
        """Give the changes their canonical order, which keeps that of each partition; returns how many."""
        self._db.execute("DELETE FROM changes")
        self._db.execute(
            "INSERT INTO changes SELECT row_number() OVER (ORDER BY at, part, place) - 1, record FROM arrived"
        )
        self._db.execute("DELETE FROM arrived")
        return int(self._db.execute("SELECT count(*) FROM changes").fetchone()[0])

    def changes(self, begin: int, end: int) -> list[Record]:
        rows = self._db.execute(
            "SELECT record FROM changes WHERE number >= ? AND number < ? ORDER BY number", (begin, end)
        )
        return [_unpacked(row[0]) for row in rows]

    # What the student has said

    def said(self, key: str) -> bytes | None:
        row = self._db.execute("SELECT said FROM judged WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def note_said(self, key: str, said: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO judged VALUES (?, ?)", (key, said))

    # All of it

    def fact(self, name: str) -> Any:
        """Anything that JSON can say and that belongs to the input; None where it was not noted."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def note_fact(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, orjson.dumps(value)))

    def note_outcomes(self, chunk: int, counts: Mapping[str, int]) -> None:
        """What became of the items of a chunk; a chunk that is done again replaces what it said before."""
        self.note_fact(f"{_OUTCOMES}{chunk:09d}", counts)
        self.commit()

    def outcomes(self) -> Counter[str]:
        """Of all chunks together."""
        told: Counter[str] = Counter()
        for (value,) in self._db.execute("SELECT value FROM facts WHERE name GLOB ?", (f"{_OUTCOMES}*",)):
            told.update(orjson.loads(value))
        return told

    def sha256(self) -> str:
        """Over everything that determines the result, in canonical order; not over the file, which no one promises."""
        digest = hashlib.sha256()
        for query in (
            "SELECT number, decision FROM pairs ORDER BY number",
            "SELECT digest, offer FROM offers ORDER BY digest",
            "SELECT key, record FROM catalogue ORDER BY key",
            "SELECT number, record FROM changes ORDER BY number",
        ):
            digest.update(query.encode())
            for name, data in self._db.execute(query):
                plain = data if isinstance(data, bytes) else str(data).encode()
                digest.update(f"{name} {len(plain)} ".encode() + plain)
        return digest.hexdigest()


def query_digest(made: MatchDecision) -> str:
    return made.first.digest if made.query_key == made.first.key else made.second.digest


def _slim(made: MatchDecision) -> bytes:
    """Without the rationale, which is the bulk of it and which no replay reads."""
    return dumps(made.model_copy(update={"rationale": None, "shadow": None}))


def _packed(record: Record) -> bytes:
    def text(data: bytes | None) -> str | None:
        return None if data is None else data.hex()

    return orjson.dumps(
        [
            record.topic, record.partition, record.offset, text(record.key), text(record.value),
            [[name, text(value)] for name, value in record.headers], record.timestamp_ms,
        ]
    )  # fmt: skip


def _unpacked(data: bytes) -> Record:
    def plain(text: str | None) -> bytes | None:
        return None if text is None else bytes.fromhex(text)

    topic, partition, offset, key, value, headers, at = orjson.loads(data)
    named = [(name, plain(text)) for name, text in headers]
    return Record(topic, partition, offset, plain(key), plain(value), named, at)
