"""The audit store on its folder: what it holds, adding to it, and reading decisions back as they were published.

Any number of processes may read while others write, compact or erase. A reader lists the files, works out which of them
count (`worker.audit.chain`) and reads; if one has vanished meanwhile, it does so again.
Non-goals: Kafka (`sink`), and what is done to the files afterwards (`compaction`, `retention`, `erasure`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import duckdb
from pydantic import ValidationError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from schemas.decision import MatchDecision
from schemas.partitioner import partition_of as partition_for
from worker.audit import sql
from worker.audit.chain import Segment, chain, end_of, segment_of
from worker.audit.columns import Row, bytes_of
from worker.audit.erasures import Erasures, read_erasures
from worker.audit.errors import AuditError, ForeignTopic, NoStore, StoreChanged
from worker.audit.folder import Folder
from worker.audit.layout import (
    FORMAT,
    STORE,
    Manifest,
    Part,
    StoreInfo,
    partition_folder,
    partition_of,
    segment_name,
)
from worker.audit.parquet import arrow_of, writing
from worker.audit.tables import DECISIONS, TABLES, Table

T = TypeVar("T")

# Compaction replaces a partition's files once in minutes; a read that meets it this often meets something else.
ATTEMPTS = 10
# Rows of a stream that are plain Python objects at a time.
_ROWS = 1_000


class AuditStore:
    """See the module. An instance is for one thread; make another for the next."""

    def __init__(self, root: str, *, memory_mb: int = 1_024, threads: int = 0) -> None:
        """`root` is a local folder or a URL for fsspec. DuckDB gets `memory_mb` and `threads` (0: all cores).

        Raises ValueError for a URL of an unknown kind.
        """
        self.folder = Folder(root)
        self._limits = (memory_mb, threads)
        self._connection: duckdb.DuckDBPyConnection | None = None

    # What there is

    def info(self) -> StoreInfo:
        """Raises NoStore, and AuditError for a store of another format."""
        try:
            data = self.folder.read(STORE)
        except FileNotFoundError as missing:
            raise NoStore(f"{self.folder.root} holds no audit store ({STORE} is missing)") from missing
        try:
            found = StoreInfo.model_validate_json(data)
        except ValidationError as error:
            raise AuditError(f"{self.folder.root}/{STORE} cannot be read: {error}") from error
        if found.format != FORMAT:
            raise AuditError(f"{self.folder.root} has format {found.format}; this code reads {FORMAT}")
        return found

    def claim(self, topics: dict[str, str], counts: dict[str, int] | None = None) -> None:
        """Bind the store to these topics (full name -> id), making it if there is none. Raises ForeignTopic.

        `counts` are the numbers of partitions by table. With them a look-up by key opens one partition's files only.
        """
        try:
            info = self.info()
        except NoStore:
            info = StoreInfo()
        held = info.topics
        for name, topic_id in topics.items():
            if held.get(name, topic_id) != topic_id:
                raise ForeignTopic(
                    f"{self.folder.root} holds {name} as topic {held[name]}, the broker's is {topic_id}: the topic was "
                    "made anew, and its offsets mean other records. Give audit.root another folder"
                )
        seen = {
            **info.counts,
            **{name: sorted({*info.counts.get(name, ()), count}) for name, count in (counts or {}).items()},
        }
        self._note(info, info.model_copy(update={"topics": {**held, **topics}, "counts": seen}))

    def misplaced(self, table: Table) -> None:
        """A producer does not partition as ours do: from now on a look-up by key opens every partition's files."""
        info = self.info()
        self._note(info, info.model_copy(update={"misplaced": sorted({*info.misplaced, table.name})}))

    def _note(self, before: StoreInfo, after: StoreInfo) -> None:
        if after != before:
            self.folder.write(STORE, after.model_dump_json(indent=1).encode())

    def partitions_of(self, table: Table, key: str) -> list[int]:
        """The partitions in which a key's rows may lie."""
        every = self.partitions(table)
        info = self.info()
        counts = info.counts.get(table.name)
        if not counts or table.name in info.misplaced:
            return every
        return [number for number in every if number in {partition_for(key.encode(), count) for count in counts}]

    def partitions(self, table: Table) -> list[int]:
        found = (partition_of(name) for name in self.folder.names(table.name))
        return sorted(number for number in found if number is not None)

    def segments(self, table: Table, partition: int) -> list[Segment]:
        """All files of a partition that are named as segments, whether they count or not."""
        found = (segment_of(name) for name in self.folder.names(partition_folder(table, partition)))
        return [segment for segment in found if segment is not None]

    def path(self, table: Table, partition: int) -> list[Segment]:
        """The segments that count."""
        return chain(self.segments(table, partition))

    def end(self, table: Table, partition: int) -> int:
        """The first offset that the store does not know: where a sink goes on."""
        return end_of(self.path(table, partition))

    def parts(self, table: Table, partition: int, segment: Segment) -> list[Part] | None:
        """The files of a compacted segment; None for one that is a file itself. Raises FileNotFoundError."""
        listed = self.manifest(table, partition, segment)
        return None if listed is None else listed.parts

    def manifest(self, table: Table, partition: int, segment: Segment) -> Manifest | None:
        """The list of a compacted segment; None for one that is a file itself. Raises FileNotFoundError."""
        if segment.form == "parquet":
            return None
        return Manifest.model_validate_json(self.folder.read(segment_name(table, partition, segment)))

    def files(self, table: Table, partition: int, segment: Segment, key: str | None = None) -> list[str]:
        """Names of a segment's files, in the order of their keys; with `key` those that may hold it."""
        parts = self.parts(table, partition, segment)
        if parts is None:
            return [segment_name(table, partition, segment)]
        return [part.name for part in parts if key is None or part.first <= key <= part.last]

    def all_files(self, table: Table, key: str | None = None) -> list[str]:
        """Names of all files that count. Raises FileNotFoundError when one is replaced meanwhile."""
        return [
            name
            for partition in (self.partitions(table) if key is None else self.partitions_of(table, key))
            for segment in self.path(table, partition)
            for name in self.files(table, partition, segment, key)
        ]

    def erasures(self) -> Erasures:
        return read_erasures(self.folder)

    # Writing

    def append(self, table: Table, partition: int, start: int, end: int, rows: Iterable[Row]) -> Segment:
        """Keep the rows of a partition's offsets from `start` to `end` (exclusive), erasures already heeded."""
        erasures = self.erasures()
        segment = Segment(start, end)
        kept = arrow_of(table, (erasures.blanked(table, row) for row in rows))
        with (
            self.folder.creating(segment_name(table, partition, segment)) as out,
            writing(table, out) as writer,
        ):
            writer.write(kept)
        return segment

    # Reading

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """DuckDB, with the store's file system known to it."""
        if self._connection is None:
            self._connection = sql.connect(self.folder, *self._limits)
        return self._connection

    def settled(self, step: Callable[[], T]) -> T:
        """Return what `step` returns, once no file vanishes under it. Raises StoreChanged."""
        again = Retrying(
            retry=retry_if_exception(sql.is_vanished), stop=stop_after_attempt(ATTEMPTS), wait=wait_random(0, 0.05),
            reraise=True,
        )  # fmt: skip
        try:
            return again(step)
        except Exception as error:
            if sql.is_vanished(error):
                raise StoreChanged(f"{self.folder.root}: files vanish while they are read: {error}") from error
            raise

    def rows(self, table: Table, where: str, parameters: Sequence[Any] = (), key: str | None = None) -> list[Row]:
        """Rows for which an SQL condition on the table's columns holds; with `key` only those of this key."""

        def read() -> list[Row]:
            names = self.all_files(table, key)
            if not names:
                return []
            condition = f"({where}) AND {table.key} = ?" if key is not None else where
            query = f"SELECT * FROM {sql.reading(self.folder, names)} WHERE {condition}"
            found = self.connection.execute(query, [*parameters, *([key] if key is not None else [])])
            return sql.dicts(found)

        rows = self.settled(read)
        erasures = self.erasures()
        return [erasures.blanked(table, row) for row in rows]

    def pair(self, pair: str) -> list[Row]:
        """The rows of all decisions of a pair, in no order; `decision_of` reads them."""
        return self.rows(DECISIONS, "unreadable IS NULL", key=pair)

    def decisions(self, where: str = "true", parameters: Sequence[Any] = ()) -> Iterator[MatchDecision]:
        """Decisions for which an SQL condition holds (columns as in the view `decisions`), in no promised order.

        Exactly as they were published; of erased offers without sentence and quotes. It streams, and copes with files
        that are replaced meanwhile. Raises StoreChanged, and duckdb.Error for a bad condition.
        """
        return map(decision_of, self.stream(DECISIONS, f"unreadable IS NULL AND ({where})", parameters))

    def events(self, where: str = "true", parameters: Sequence[Any] = ()) -> Iterator[bytes]:
        """As `decisions`, but the published bytes."""
        return map(bytes_of, self.stream(DECISIONS, f"unreadable IS NULL AND ({where})", parameters))

    def stream(self, table: Table, where: str = "true", parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Rows for which a condition holds, partition by partition. Each once, whatever is compacted meanwhile."""
        erasures = self.erasures()
        for partition in self.partitions(table):
            for row in self.stream_of(table, partition, where, parameters):
                yield erasures.blanked(table, row)

    def stream_of(
        self, table: Table, partition: int, where: str = "true", parameters: Sequence[Any] = (), columns: str = "*"
    ) -> Iterator[Row]:
        """Rows of one partition as its files have them, erased or not; `columns` must name the key and the offset."""
        done, failures = 0, 0
        # What was delivered of a segment whose files vanished: offsets below, and up to which key and offset.
        delivered: list[tuple[int, str, int]] = []
        while True:
            segment = next((each for each in self.path(table, partition) if each.end > done), None)
            if segment is None:
                return
            last: tuple[str, int] | None = None
            try:
                names = self.files(table, partition, segment)
                if not names:
                    # Retention has dropped everything of it.
                    done, delivered = segment.end, []
                    continue
                conditions, values = [f"({where})", '"offset" >= ?'], [*parameters, done]
                for below, key, offset in delivered:
                    conditions.append(f'NOT ("offset" < ? AND ({table.key}, "offset") <= (?, ?))')
                    values += [below, key, offset]
                chosen = (
                    f"SELECT {columns} FROM {sql.viewing(self.folder, table, names)} WHERE {' AND '.join(conditions)}"
                )
                for batch in self.connection.cursor().sql(chosen, params=values).to_arrow_reader(_ROWS):
                    for row in batch.to_pylist():
                        yield row
                        last = (row[table.key], row["offset"])
            except Exception as error:
                failures += 1
                if not sql.is_vanished(error):
                    raise
                if failures >= ATTEMPTS:
                    raise StoreChanged(f"{self.folder.root}: files vanish while they are read: {error}") from error
                if last is not None:
                    delivered.append((segment.end, *last))
                continue
            done, delivered = segment.end, []


def decision_of(row: Row) -> MatchDecision:
    """The decision of a row, as it was published."""
    return MatchDecision.model_validate_json(bytes_of(row))


__all__ = ["TABLES", "AuditStore", "decision_of"]
