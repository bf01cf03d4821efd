"""A range of a topic, as people name one: times, times ago, or offsets. Pure.

Intent: `parse_point` reads one end of it, `between` makes the range from both ends once the topic's own bounds are
known. Offsets name partitions; a partition that one end does not name is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from worker.replay.errors import WrongRequest

START, END = "start", "end"
VALID = f"an ISO 8601 time (2026-11-23T10:00:00Z), a time ago (90m, 2h, 3d), offsets (0:17,1:20), {START} or {END}"

_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_OFFSETS = re.compile(r"\d{1,9}:\d{1,18}(?:,\d{1,9}:\d{1,18})*")


@dataclass(frozen=True)
class Point:
    """One end of a range: exactly one of its fields is set."""

    edge: str | None = None
    at: datetime | None = None
    offsets: Mapping[int, int] | None = None

    @property
    def milliseconds(self) -> int | None:
        """`at` as Kafka counts time."""
        return None if self.at is None else round(self.at.timestamp() * 1000)


@dataclass(frozen=True)
class Span:
    """What to read of a topic, by partition: from `starts` (inclusive) to `ends` (exclusive)."""

    topic: str
    starts: dict[int, int]
    ends: dict[int, int]

    @property
    def size(self) -> int:
        """Records at most: transaction markers and removed records count, too."""
        return sum(end - self.starts[number] for number, end in self.ends.items())

    def after(self, ends: Mapping[int, int]) -> Span:
        """What has come since this span was read, up to `ends`."""
        return Span(self.topic, dict(self.ends), {number: max(ends[number], old) for number, old in self.ends.items()})


def parse_point(text: str, now: datetime) -> Point:
    """One end of a range. A time without an offset is UTC's. Raises WrongRequest that names the text."""
    plain = text.strip()
    if plain in (START, END):
        return Point(edge=plain)
    if plain == "now":
        return Point(edge=END)
    if (ago := _AGO.fullmatch(plain)) is not None:
        try:
            return Point(at=now - timedelta(**{_UNITS[ago[2]]: float(ago[1])}))
        except OverflowError as error:
            raise WrongRequest(f"{text!r} is before the beginning of time; valid: {VALID}") from error
    if _OFFSETS.fullmatch(plain):
        pairs = [part.split(":") for part in plain.split(",")]
        offsets = {int(number): int(offset) for number, offset in pairs}
        if len(offsets) < len(pairs):
            raise WrongRequest(f"{text!r} names a partition twice")
        return Point(offsets=offsets)
    try:
        at = datetime.fromisoformat(plain)
    except ValueError as error:
        raise WrongRequest(f"{text!r} is no place in a topic; valid: {VALID}") from error
    return Point(at=at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC))


def between(topic: str, begin: Point, end: Point, low: Mapping[int, int], high: Mapping[int, int]) -> Span:
    """The range from `begin` to `end` of a topic that holds the offsets from `low` to `high` (exclusive).

    Times must have been turned into offsets before. Raises WrongRequest where the topic does not hold the range.
    """
    starts, ends = _offsets(topic, begin, low, high), _offsets(topic, end, low, high)
    chosen = sorted(starts.keys() & ends.keys())
    if not chosen:
        raise WrongRequest(f"{topic}: both ends name offsets, but of no partition in common")
    for number in chosen:
        if starts[number] > ends[number]:
            raise WrongRequest(
                f"{topic}/{number}: the range begins at {starts[number]}, which is behind its end {ends[number]}"
            )
    return Span(topic, {number: starts[number] for number in chosen}, {number: ends[number] for number in chosen})


def _offsets(topic: str, point: Point, low: Mapping[int, int], high: Mapping[int, int]) -> dict[int, int]:
    if point.edge is not None:
        return dict(low if point.edge == START else high)
    if point.offsets is None:
        raise ValueError("a time must be turned into offsets first")
    for number, offset in point.offsets.items():
        if number not in high:
            raise WrongRequest(f"{topic} has no partition {number}; valid: 0 to {max(high)}")
        if not low[number] <= offset <= high[number]:
            raise WrongRequest(f"{topic}/{number} has no offset {offset}; valid: {low[number]} to {high[number]}")
    return dict(point.offsets)
