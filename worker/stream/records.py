"""What comes in and what goes out, as plain values. Non-goal: Kafka itself; nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.events import Position

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of `catalog.changes` as the broker gave it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=list)
    timestamp_ms: int | None = None

    @property
    def position(self) -> Position:
        return Position(topic=self.topic, partition=self.partition, offset=self.offset)

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to be produced inside the batch's transaction.

    `partition` is None where the partitioner chooses by key (every topic but `catalog.offers`, which must lie
    partition by partition beside its input).
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None
