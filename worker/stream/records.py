"""What comes in and what goes out, as plain values. Non-goal: Kafka itself; nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.events import Event, Position, dumps, event_headers

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic as the broker gave it."""

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
class LookedAt:
    """A record that was looked at; each topic's own kind adds what it found."""

    record: Record

    @property
    def partition(self) -> int:
        return self.record.partition

    @property
    def offset(self) -> int:
        return self.record.offset

    @property
    def identity(self) -> bytes | None:
        """What at most one record of a batch may be about; None: any number of such records may be in a batch."""
        return None


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

    @classmethod
    def event(cls, topic: str, key: bytes | None, event: Event) -> Outgoing:
        """An event of ours, with the headers that say what it is."""
        return cls(topic, key, dumps(event), [*event_headers(event)])
