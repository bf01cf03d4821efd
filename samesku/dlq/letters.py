"""Reading `catalog.changes.dlq`: each letter with what the worker said of it, and what can be done with it.

A record there that is no letter of ours (its headers are missing) is kept and shown, and never sent anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.deadletter import HEADER_OMITTED, DeadLetter, original_headers, read_dead_letter
from worker.stream.records import Record

HEADER_REQUEUED = "samesku-requeued-from"
"""Of a record that was sent again: where its dead letter lies, topic:partition:offset."""
_PLACE = re.compile(r"(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class Letter:
    """One record of the dead letter topic; `said` is None where its headers are not ours, and `why` says so."""

    record: Record
    said: DeadLetter | None
    why: str = ""

    @property
    def place(self) -> str:
        """Where it lies in the dead letter topic, `partition:offset`: its name on the command line."""
        return f"{self.record.partition}:{self.record.offset}"

    @property
    def source(self) -> str:
        """Where the record came from, `topic:partition:offset`; empty where nothing says it."""
        if self.said is None:
            return ""
        source = self.said.source
        return f"{source.topic}:{source.partition}:{source.offset}"

    @property
    def headers(self) -> list[tuple[str, bytes | None]]:
        """The headers that the record came with, without the mark of an earlier requeue."""
        return [header for header in original_headers(self.record.headers) if header[0] != HEADER_REQUEUED]

    @property
    def requeued(self) -> bool:
        """Whether it was sent again before, and refused again."""
        return any(name == HEADER_REQUEUED for name, _ in original_headers(self.record.headers))

    @property
    def omitted(self) -> str | None:
        """Size and sha256 of a value that was too large for the topic."""
        value = dict(self.record.headers).get(HEADER_OMITTED)
        return value.decode("utf-8", "replace") if value is not None else None


def as_letter(record: Record) -> Letter:
    """What a record of the dead letter topic says."""
    try:
        return Letter(record, read_dead_letter(record.headers))
    except ValueError as error:
        return Letter(record, None, str(error))


def parse_place(text: str) -> tuple[int, int]:
    """Partition and offset of `partition:offset`. Raises ValueError."""
    if (found := _PLACE.fullmatch(text)) is None:
        raise ValueError(f"{text!r} is no place in the dead letter topic: give partition:offset, as `list` shows it")
    return int(found[1]), int(found[2])


def chosen(letters: Iterator[Letter], reason: str | None = None, source: str | None = None) -> Iterator[Letter]:
    """Those of a reason, and of a seller's source (what stands before the colon of their key)."""
    for letter in letters:
        said = letter.said
        if reason is not None and (said is None or said.reason != reason):
            continue
        if source is not None and (letter.record.key or b"").split(b":")[0] != source.encode():
            continue
        yield letter
