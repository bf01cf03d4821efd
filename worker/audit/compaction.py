"""Fewer, larger files: neighbouring segments written again as one, sorted by key, and what no longer counts removed.

It may run at any time beside sinks and readers, and several times at once: a new list of files appears in one step and
says the same as the files before it. Nothing is held in memory but one slice of keys.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from worker.audit import sql
from worker.audit.chain import Segment, covered, merges
from worker.audit.erasures import Erasures
from worker.audit.folder import PARTIAL
from worker.audit.layout import Manifest, Part, partition_folder, parts_folder, segment_name
from worker.audit.parquet import Writer, sort_rows, writing
from worker.audit.store import AuditStore
from worker.audit.tables import OFFERS, TABLES, Table

# Rows sorted at a time: about 100 MB of decisions.
SLICE = 65_536
# Widths below which segments are alike: what a sink writes in a quiet hour and in a busy minute.
SMALLEST = 1_000
# Longer than any merge takes: files that nothing refers to are then of a writer that died.
ABANDONED_S = 3_600.0


class Interrupted(Exception):
    """The merge was told to stop; nothing has changed."""


def compact(
    store: AuditStore,
    table: Table,
    partition: int,
    *,
    fan: int,
    part_rows: int,
    full: bool = False,
    going: Callable[[], bool] = lambda: True,
) -> int:
    """Merge what is worth it (`full`: everything into one segment) and tidy up; returns how many segments are gone.

    Raises Interrupted when `going()` says no.
    """
    path = store.path(table, partition)
    runs = merges(path, fan, SMALLEST) if not full else [path] if len(path) > 1 or _is_plain(path) else []
    for run in runs:
        rewrite(store, table, partition, run, part_rows=part_rows, going=going)
    tidy(store, table, partition)
    return len(path) - len(store.path(table, partition))


def compact_all(store: AuditStore, **options: Any) -> dict[str, int]:
    """`compact` of every partition; segments gone by table."""
    return {
        table.name: sum(compact(store, table, partition, **options) for partition in store.partitions(table))
        for table in TABLES.values()
    }


def rewrite(
    store: AuditStore,
    table: Table,
    partition: int,
    run: Sequence[Segment],
    *,
    part_rows: int,
    keep: str = "true",
    dropped: int = 0,
    going: Callable[[], bool] = lambda: True,
) -> Segment:
    """Write neighbouring segments again as one, without what was erased and with the rows for which `keep` holds.

    `keep` is an SQL condition on the table's columns, `dropped` how many rows it does not hold for. The old files are
    removed; what a death in between leaves of them, `tidy` does.
    """
    made = Segment(run[0].start, run[-1].end, "json")
    folder = f"{parts_folder(table, partition)}/{made.stem}.{int(time.time() * 1000):013d}{secrets.token_hex(4)}"
    names = [name for segment in run for name in store.files(table, partition, segment)]
    old = {_folder(name) for name in names if _folder(name).startswith(parts_folder(table, partition))}
    listed = [store.manifest(table, partition, segment) for segment in run]
    dropped += sum(each.dropped for each in listed if each is not None)
    parts = _Parts(store, table, folder, part_rows)
    try:
        # An erasure that comes while this is written would otherwise be undone by it.
        erasures = None
        while erasures is None or len(erasures.entries) < len(store.erasures().entries):
            erasures = store.erasures()
            parts.abandon()
            for rows in _slices(store, table, names, keep):
                if not going():
                    raise Interrupted
                parts.write(_blanked(rows, table, erasures))
            parts.close()
        manifest = Manifest(rows=sum(part.rows for part in parts.done), dropped=dropped, parts=parts.done)
        store.folder.write(segment_name(table, partition, made), manifest.model_dump_json().encode())
    except BaseException:
        parts.abandon()
        raise
    for segment in run:
        if segment != made:
            store.folder.remove(segment_name(table, partition, segment))
    for name in old:
        store.folder.remove_folder(name)
    return made


def tidy(store: AuditStore, table: Table, partition: int, now: Callable[[], float] = time.time) -> None:
    """Remove segments that do not count and never will, and what writers that died left behind."""
    segments = store.segments(table, partition)
    for segment in covered(segments, store.path(table, partition)):
        folders = _folders(store, table, partition, segment)
        store.folder.remove(segment_name(table, partition, segment))
        for name in folders:
            store.folder.remove_folder(name)
    used = {name for segment in store.segments(table, partition) for name in _folders(store, table, partition, segment)}
    for name in store.folder.names(parts_folder(table, partition)):
        whole = f"{parts_folder(table, partition)}/{name}"
        if whole not in used and now() - int(name.rpartition(".")[2][:13]) / 1000 > ABANDONED_S:
            store.folder.remove_folder(whole)
    for name in store.folder.names(partition_folder(table, partition)):
        whole = f"{partition_folder(table, partition)}/{name}"
        if name.endswith(PARTIAL) and (store.folder.age(whole, now()) or 0.0) > ABANDONED_S:
            store.folder.remove(whole)


class _Parts:
    """The files of a segment that is being made: a new one is begun when one is full."""

    def __init__(self, store: AuditStore, table: Table, folder: str, part_rows: int) -> None:
        self._store = store
        self._table = table
        self._folder = folder
        self._part_rows = part_rows
        self.done: list[Part] = []
        self._open: ExitStack | None = None
        self._writer: Writer | None = None

    def write(self, rows: pa.Table) -> None:
        while rows.num_rows:
            if self._writer is None:
                self._open = ExitStack()
                out = self._open.enter_context(self._store.folder.creating(self._next()))
                self._writer = self._open.enter_context(writing(self._table, out))
            room = self._part_rows - self._writer.rows
            self._writer.write(rows.slice(0, room))
            rows = rows.slice(room)
            if self._writer.rows >= self._part_rows:
                self.close()

    def close(self) -> None:
        """End the file at hand."""
        if self._writer is None or self._open is None:
            return
        writer, name = self._writer, self._next()
        self._open.close()
        self.done.append(Part(name=name, rows=writer.rows, first=writer.first or "", last=writer.last or ""))
        self._writer = self._open = None

    def abandon(self) -> None:
        """Forget everything that was written."""
        if self._open is not None:
            # Ends the block as a failure does, so that the file at hand never appears.
            self._open.__exit__(Interrupted, Interrupted(), None)
            self._writer = self._open = None
        if self.done:
            self._store.folder.remove_folder(self._folder)
        self.done = []

    def _next(self) -> str:
        return f"{self._folder}/{len(self.done):05d}.parquet"


def _slices(store: AuditStore, table: Table, names: Sequence[str], keep: str) -> Iterator[pa.Table]:
    """All rows of the files in the order of key and offset, some `SLICE` of them at a time."""
    if not names:
        return
    fences = _fences(store, table, names)
    key, connection = f'"{table.key}"', store.connection
    files = sql.reading(store.folder, names)
    for low, high in pairwise([None, *fences, None]):
        conditions, values = [f"({keep})"], []
        for bound, sign in ((low, ">="), (high, "<")):
            if bound is not None:
                conditions.append(f"{key} {sign} ?")
                values.append(bound)
        chosen = f"SELECT {_columns(table)} FROM {files} WHERE {' AND '.join(conditions)}"
        rows: Any = connection.sql(f'{chosen} ORDER BY {key}, "offset"', params=values).to_arrow_table()
        yield rows.select(table.schema.names).cast(table.schema)


def _columns(table: Table) -> str:
    if table is not OFFERS:
        return "*"
    # A content is kept with the first row of its digest. All rows of a digest are one offer's, hence in one slice.
    first = """row_number() OVER (PARTITION BY digest ORDER BY content IS NULL, "offset") = 1"""
    return f"* REPLACE (CASE WHEN {first} THEN content END AS content)"


def _fences(store: AuditStore, table: Table, names: Sequence[str]) -> list[str]:
    """Keys that part the rows into slices, worked out from the files' statistics."""
    listed = ", ".join(sql.literal(store.folder.url(name)) for name in names)
    groups = store.connection.execute(
        "SELECT coalesce(stats_min_value, ''), row_group_num_rows FROM parquet_metadata(["
        f"{listed}]) WHERE path_in_schema = ? ORDER BY ALL",
        [table.key],
    ).fetchall()
    fences: list[str] = []
    rows = 0
    for least, count in groups:
        if rows + count > SLICE and least > (fences[-1] if fences else ""):
            fences.append(least)
            rows = 0
        rows += count
    return fences


def _blanked(rows: pa.Table, table: Table, erasures: Erasures) -> pa.Table:
    if not erasures or not rows.num_rows:
        return rows
    # Few rows are concerned; only those leave Arrow.
    names = {each.offer_key for each in erasures.entries}
    keys = rows.column(table.key).to_pylist()
    hit = [place for place, key in enumerate(keys) if not names.isdisjoint((key or "").split("#"))]
    if not hit:
        return rows
    mask = np.zeros(rows.num_rows, dtype=bool)
    mask[hit] = True
    changed = [erasures.blanked(table, row) for row in rows.filter(pa.array(mask)).to_pylist()]
    return sort_rows(
        table, pa.concat_tables([rows.filter(pa.array(~mask)), pa.Table.from_pylist(changed, rows.schema)])
    )


def _folders(store: AuditStore, table: Table, partition: int, segment: Segment) -> set[str]:
    try:
        return {_folder(part.name) for part in store.parts(table, partition, segment) or ()}
    except FileNotFoundError:
        return set()


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _is_plain(path: Sequence[Segment]) -> bool:
    return bool(path) and path[0].form == "parquet"
