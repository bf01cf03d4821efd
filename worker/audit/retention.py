"""Dropping old decisions: what stands is kept, and the contents that kept decisions are about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from worker.audit import views
from worker.audit.compaction import rewrite, tidy
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, OFFERS, Table


@dataclass(frozen=True)
class Expired:
    """Rows dropped."""

    decisions: int
    offers: int


def expire(store: AuditStore, before: datetime, part_rows: int, *, standing_too: bool = False) -> Expired:
    """Drop decisions made before that time, but not the standing one of any pair (unless `standing_too`).

    Then the contents that no kept decision is about, except each offer's newest. The files still cover the offsets, so
    no sink reads the dropped records again. Raises NoStore and StoreChanged.
    """
    store.info()
    store.settled(lambda: _note_standing(store, standing_too))
    moment = before.isoformat()
    # Records that cannot be read have only the time at which they came.
    old = f"coalesce(decided_at, published_at) < TIMESTAMPTZ '{moment}'"
    decisions = _drop(
        store, DECISIONS, f'({old}) AND ("partition", "offset") NOT IN (SELECT p, o FROM kept)', part_rows
    )
    store.settled(lambda: _note_wanted(store))
    unused = (
        f"coalesce(indexed_at, published_at) < TIMESTAMPTZ '{moment}' AND digest IS NOT NULL "
        "AND digest NOT IN (SELECT digest FROM wanted)"
    )
    return Expired(decisions, _drop(store, OFFERS, unused, part_rows))


def _note_standing(store: AuditStore, standing_too: bool) -> None:
    views.create(store)
    none = " LIMIT 0" if standing_too else ""
    store.connection.execute(
        f'CREATE OR REPLACE TEMP TABLE kept AS SELECT "partition" AS p, "offset" AS o FROM standing{none}'
    )


def _note_wanted(store: AuditStore) -> None:
    """Digests that a kept decision is about, and those of each offer's newest version."""
    views.create(store)
    store.connection.execute(
        """CREATE OR REPLACE TEMP TABLE wanted AS SELECT digest FROM (
            SELECT first_digest AS digest FROM decisions UNION SELECT second_digest FROM decisions UNION
            SELECT arg_max(digest, "offset") FROM offer_versions GROUP BY "key"
        ) WHERE digest IS NOT NULL"""
    )


def _drop(store: AuditStore, table: Table, condition: str, part_rows: int) -> int:
    """Rewrite the segments in which a row fulfils the condition, without those rows; returns how many."""
    dropped = 0
    for partition in store.partitions(table):
        for segment in store.path(table, partition):
            files = store.files(table, partition, segment)
            count = views.count(store, files, condition)
            if count:
                rewrite(
                    store,
                    table,
                    partition,
                    [segment],
                    part_rows=part_rows,
                    keep=f"({condition}) IS NOT TRUE",
                    dropped=count,
                )
                dropped += count
        tidy(store, table, partition)
    return dropped
