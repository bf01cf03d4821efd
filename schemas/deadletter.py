"""Dead letters: the record that cannot be used, byte for byte, with the reason in its headers.

Key, value and headers are the original ones; ours stand after them. So a repaired dead letter can be sent again as it
was (`original_headers`), and nothing has to be unpacked to look at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.events import Position, Reason, format_time

Headers = Sequence[tuple[str, bytes | None]]

HEADER_REASON = "samesku-reason"
HEADER_DETAIL = "samesku-detail"
HEADER_TOPIC = "samesku-topic"
HEADER_PARTITION = "samesku-partition"
HEADER_OFFSET = "samesku-offset"
HEADER_TIMESTAMP = "samesku-timestamp"
HEADER_WORKER_VERSION = "samesku-worker-version"
HEADER_FAILED_AT = "samesku-failed-at"
HEADER_OMITTED = "samesku-value-omitted"

DEAD_LETTER_HEADERS: dict[str, str] = {
    HEADER_REASON: "one of schemas.events.REASONS",
    HEADER_DETAIL: "one line for people, UTF-8, at most 500 characters",
    HEADER_TOPIC: "topic the record came from",
    HEADER_PARTITION: "its partition, decimal",
    HEADER_OFFSET: "its offset, decimal",
    HEADER_TIMESTAMP: "its Kafka timestamp in milliseconds since 1970, decimal; -1 when it had none",
    HEADER_WORKER_VERSION: "version of the worker that refused it",
    HEADER_FAILED_AT: "when it was refused, RFC 3339 UTC",
    HEADER_OMITTED: "only when the value is larger than the topic takes: its size in bytes, a space, its sha256 in "
    "hex; the value is then empty and must be read at the original position",
}
"""Every header of ours and what it holds, in the order in which they are written."""

MAX_DEAD_LETTER_BYTES = 15 * 1024 * 1024
"""Largest value that is passed on. Below the dead letter topic's `max.message.bytes` by 1 MiB for key and headers. The
input topic limits compressed batches to 1 MiB, so only a record that shrinks more than fifteenfold is larger."""


@dataclass(frozen=True)
class DeadLetter:
    """What the headers of a dead letter say."""

    reason: str
    detail: str
    source: Position
    timestamp_ms: int
    worker_version: str
    failed_at: str


def dead_letter_headers(
    *,
    reason: str,
    detail: str,
    source: Position,
    timestamp_ms: int,
    worker_version: str,
    failed_at: datetime,
    original: Headers | None = None,
    omitted: str | None = None,
) -> list[tuple[str, bytes | None]]:
    """Headers of a dead letter: the original ones, unchanged and in order, then ours.

    `timestamp_ms` is -1 when the record had none. `omitted` is the value of `HEADER_OMITTED`, if the value is left
    out. Raises ValueError for a reason that is not in `REASONS`.
    """
    values = {
        HEADER_REASON: Reason(reason).value,
        HEADER_DETAIL: detail,
        HEADER_TOPIC: source.topic,
        HEADER_PARTITION: str(source.partition),
        HEADER_OFFSET: str(source.offset),
        HEADER_TIMESTAMP: str(timestamp_ms),
        HEADER_WORKER_VERSION: worker_version,
        HEADER_FAILED_AT: format_time(failed_at),
    }
    if omitted is not None:
        values[HEADER_OMITTED] = omitted
    ours = [(name, value.encode("utf-8", "replace")) for name, value in values.items()]
    return [*(original or ()), *ours]


def _ours(headers: Headers) -> dict[str, int]:
    """Index of the last occurrence of each header of ours: an original may have been a dead letter before."""
    return {name: place for place, (name, _) in enumerate(headers) if name in DEAD_LETTER_HEADERS}


def original_headers(headers: Headers) -> list[tuple[str, bytes | None]]:
    """The headers that the record came with; the inverse of `dead_letter_headers`."""
    tail = len(headers)
    written = set(DEAD_LETTER_HEADERS)
    # Ours are the unbroken tail in which no name of ours repeats.
    while tail and headers[tail - 1][0] in written:
        written.discard(headers[tail - 1][0])
        tail -= 1
        if headers[tail][0] == HEADER_REASON:
            break
    return list(headers[:tail])


def read_dead_letter(headers: Iterable[tuple[str, bytes | None]]) -> DeadLetter:
    """What the worker said about a dead letter. Raises ValueError naming the header that is missing or unreadable."""
    listed = list(headers)
    places = _ours(listed)

    def text(name: str) -> str:
        value = listed[places[name]][1] if name in places else None
        if value is None:
            raise ValueError(f"not a dead letter: the header {name} is missing")
        return value.decode("utf-8", "replace")

    def number(name: str) -> int:
        try:
            return int(text(name))
        except ValueError as error:
            raise ValueError(f"the header {name} is not a number: {text(name)[:40]!r}") from error

    return DeadLetter(
        reason=text(HEADER_REASON),
        detail=text(HEADER_DETAIL),
        source=Position(topic=text(HEADER_TOPIC), partition=number(HEADER_PARTITION), offset=number(HEADER_OFFSET)),
        timestamp_ms=number(HEADER_TIMESTAMP),
        worker_version=text(HEADER_WORKER_VERSION),
        failed_at=text(HEADER_FAILED_AT),
    )
