"""Erasing one offer's text from the store: first the log, which every reader and writer heeds, then the files.

What the log cannot reach are copies of whole files elsewhere (backups), and the Kafka topics: see docs/audit.md.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from schemas.decision import DELETED_DIGEST
from schemas.offer import split_key
from worker.audit import sql
from worker.audit.chain import Segment
from worker.audit.compaction import rewrite, tidy
from worker.audit.erasures import ERASED, Erasure
from worker.audit.layout import ERASURES, segment_name
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, OFFERS, Table

# Rounds of looking and rewriting: a sink or a merge that had read the log before the entry may add one file more.
ROUNDS = 5


@dataclass(frozen=True)
class Erased:
    """What was done. `remaining` counts rows with text that are left: 0, unless files come faster than mended."""

    entry: Erasure
    contents: int
    decisions: int
    remaining: int


def erase(store: AuditStore, offer_key: str, by: str, reason: str, now: datetime, part_rows: int) -> Erased:
    """Blank the offer's contents, and the sentences and quotes of decisions about them.

    Raises ValueError for a text that is no offer key, NoStore and StoreChanged.
    """
    split_key(offer_key)
    store.info()
    digests = {row["digest"] for row in store.rows(OFFERS, "digest IS NOT NULL", key=offer_key)}
    for partition in store.partitions(DECISIONS):
        for side in ("first", "second"):
            columns = f'{side}_digest, pair_id, "offset"'
            rows = store.stream_of(DECISIONS, partition, f"{side}_key = ?", [offer_key], columns)
            digests |= {row[f"{side}_digest"] for row in rows}
    entry = Erasure(
        erasure_id=uuid.uuid4().hex, offer_key=offer_key, digests=sorted(digests - {None, DELETED_DIGEST}),
        erased_at=now, by=by, reason=reason,
    )  # fmt: skip
    store.folder.write(f"{ERASURES}/{entry.erasure_id}.json", entry.model_dump_json(indent=1).encode())
    done = dict.fromkeys((OFFERS.name, DECISIONS.name), 0)
    left = 0
    for _ in range(ROUNDS):
        found = mend(store, part_rows)
        left = sum(found.values())
        if not left:
            break
        done = {name: count + found[name] for name, count in done.items()}
    return Erased(entry, done[OFFERS.name], done[DECISIONS.name], left)


def mend(store: AuditStore, part_rows: int) -> dict[str, int]:
    """Blank in the files whatever the log says is erased; rows by table that held text until now."""
    return {table.name: _apply(store, table, part_rows) for table in (OFFERS, DECISIONS)}


def remaining(store: AuditStore) -> dict[str, int]:
    """Rows of files that count in which erased text still stands, by table. Readers do not show it even so."""
    return {
        table.name: sum(
            _holding(store, table, partition, segment)
            for partition in store.partitions(table)
            for segment in store.path(table, partition)
        )
        for table in (OFFERS, DECISIONS)
    }


def _apply(store: AuditStore, table: Table, part_rows: int) -> int:
    """Rewrite every segment that holds erased text; returns how many rows did."""
    found = 0
    for partition in store.partitions(table):
        path = store.path(table, partition)
        for segment in path:
            rows = _holding(store, table, partition, segment)
            if rows:
                rewrite(store, table, partition, [segment], part_rows=part_rows)
                found += rows
        tidy(store, table, partition)
        # What does not count may hold the text as well; a sink that still builds on it reads it again.
        for segment in set(store.segments(table, partition)) - set(store.path(table, partition)):
            store.folder.remove(segment_name(table, partition, segment))
    return found


def _holding(store: AuditStore, table: Table, partition: int, segment: Segment) -> int:
    """How many rows of a segment an erasure would change."""
    erasures = store.erasures()
    if not erasures:
        return 0
    names = sorted({each.offer_key for each in erasures.entries})
    listed = ", ".join(sql.literal(name) for name in names)
    if table is DECISIONS:
        concerned = f"(first_key IN ({listed}) OR second_key IN ({listed}))"
        text = f"(raw IS NOT NULL OR rest IS NOT NULL OR sentence <> '{ERASED}' OR quotes IS NOT NULL)"
    else:
        concerned, text = f"key IN ({listed})", "(raw IS NOT NULL OR content IS NOT NULL)"
    files = store.files(table, partition, segment)
    if not files:
        return 0
    found = store.connection.execute(
        f"SELECT * FROM {sql.viewing(store.folder, table, files)} WHERE {concerned} AND {text}"
    )
    names = list(table.schema.names)
    rows = [{name: row[name] for name in names} for row in sql.dicts(found)]
    return sum(erasures.blanked(table, row) != row for row in rows)
