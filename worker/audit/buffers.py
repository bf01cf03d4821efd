"""What a sink has read and not yet written, by partition. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.audit.tables import Table
from worker.stream.records import Record


@dataclass
class Buffer:
    """One partition's records from `start` on. `since` is when the oldest came (seconds of a monotonic clock)."""

    table: Table
    partition: int
    start: int
    records: list[Record] = field(default_factory=list)
    size: int = 0
    since: float | None = None

    @property
    def end(self) -> int:
        """The first offset that a file of these records does not cover."""
        return self.records[-1].offset + 1 if self.records else self.start

    def add(self, record: Record, now: float) -> bool:
        """Keep a record; False for one that the files cover already (a client may hand it out again)."""
        if record.offset < self.end:
            return False
        self.records.append(record)
        self.size += len(record.value or b"") + len(record.key or b"")
        if self.since is None:
            self.since = now
        return True

    def written(self, end: int) -> int:
        """Forget what lies before `end`, which is in the files; returns how many records that were."""
        kept = [record for record in self.records if record.offset >= end]
        gone = len(self.records) - len(kept)
        self.records, self.start = kept, max(end, self.start)
        self.size = sum(len(record.value or b"") + len(record.key or b"") for record in kept)
        if not kept:
            self.since = None
        return gone


class Buffers:
    """All partitions of one sink."""

    def __init__(self, flush_s: float, flush_rows: int, flush_bytes: int) -> None:
        self._flush_s = flush_s
        self._flush_rows = flush_rows
        self._flush_bytes = flush_bytes
        self._held: dict[tuple[str, int], Buffer] = {}

    def open(self, table: Table, partition: int, start: int) -> Buffer:
        """Begin a partition at an offset."""
        made = self._held[table.name, partition] = Buffer(table, partition, start)
        return made

    def close(self, table: Table, partition: int) -> None:
        """Forget a partition with all that was not written."""
        self._held.pop((table.name, partition), None)

    def get(self, table: Table, partition: int) -> Buffer | None:
        return self._held.get((table.name, partition))

    def __iter__(self) -> Iterator[Buffer]:
        return iter(list(self._held.values()))

    def due(self, now: float) -> list[Buffer]:
        """Partitions to be written now: old, long, or the largest while all together are too much to hold."""
        full = [
            each
            for each in self
            if each.records
            and (
                len(each.records) >= self._flush_rows or (each.since is not None and now - each.since >= self._flush_s)
            )
        ]
        left = sum(each.size for each in self) - sum(each.size for each in full)
        for each in sorted(self, key=lambda buffer: -buffer.size):
            if left <= self._flush_bytes:
                break
            if each not in full:
                full.append(each)
                left -= each.size
        return full
