"""Windows: where a record belongs, and what a window's counts look like. Pure.

A window is an interval of the *log's* clock (match.decisions and the other outputs use LogAppendTime): the time is
stored with the record, never goes back within a partition, and is the same for whoever reads it again. So a record's
window is a fact, no matter when and by whom it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SEPARATOR = "\x1f"
"""Between segment, signal and bin in a field's name: no cleaned name holds a control character."""


@dataclass(frozen=True, order=True)
class WindowId:
    """One window of the decisions of a bundle (or of offers under a vocabulary, ...). Times in milliseconds."""

    start: int
    epoch: str

    @property
    def member(self) -> str:
        return f"{self.start}/{self.epoch}"

    @classmethod
    def parse(cls, member: str) -> WindowId:
        start, _, epoch = member.partition("/")
        return cls(int(start), epoch)


@dataclass(frozen=True)
class Window:
    """The counts of a closed or open window: {segment: {signal: {bin: number}}}."""

    id: WindowId
    end: int
    segments: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    bundle: str = ""


def window_start(at_ms: int, window_s: int) -> int:
    """Start of the window of a moment, both in milliseconds."""
    return at_ms - at_ms % (window_s * 1000)


def tidy(name: str) -> str:
    """A name without what separates names."""
    return name.replace(SEPARATOR, " ")


def parse_fields(fields: Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]]) -> dict[str, dict[str, dict[str, int]]]:
    """The segments of a window from its Redis hash; fields that start with @ are not counts."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    segments: dict[str, dict[str, dict[str, int]]] = {}
    for name, value in pairs:
        if name.startswith(b"@"):
            continue
        segment, signal, place = name.decode().split(SEPARATOR)
        segments.setdefault(segment, {}).setdefault(signal, {})[place] = int(value)
    return segments
