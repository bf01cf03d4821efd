"""Which files count: offset ranges that follow each other without a gap. Pure.

A file is named by the range of offsets that it covers, `[start, end)`: everything that the partition held there, for
a reader of committed records. Transaction markers and aborted records leave holes in the offsets, so ranges chain and
counts do not. From offset 0 on, the files that count are the path of touching ranges that reaches furthest (of those
the one with the fewest files). Whatever is not on it is ignored, so a writer that was killed, that hangs and comes
back, or that ran beside another adds nothing twice. A path once reached is never given up for a shorter one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Form = Literal["parquet", "json"]
"""`parquet`: one file, as the sink wrote it. `json`: a list of files, as compaction wrote it."""

_NAME = re.compile(r"(\d{20})-(\d{20})\.(parquet|json)")


@dataclass(frozen=True, order=True, slots=True)
class Segment:
    """A range of offsets of one partition and the form in which it is kept."""

    start: int
    end: int
    form: Form = "parquet"

    @property
    def name(self) -> str:
        return f"{self.stem}.{self.form}"

    @property
    def stem(self) -> str:
        return f"{self.start:020d}-{self.end:020d}"

    @property
    def width(self) -> int:
        """Offsets covered: records at most."""
        return self.end - self.start


def segment_of(name: str) -> Segment | None:
    """The segment that a file name means; None for other files and empty ranges."""
    parsed = _NAME.fullmatch(name)
    if parsed is None:
        return None
    start, end = int(parsed[1]), int(parsed[2])
    form: Form = "parquet" if parsed[3] == "parquet" else "json"
    return Segment(start, end, form) if start < end else None


def chain(segments: Iterable[Segment]) -> list[Segment]:
    """The segments that count, in order: the path from 0 that ends furthest, with the fewest segments.

    Of equal paths the one with compacted segments first, then by the earlier split: the choice depends on nothing but
    the set of segments.
    """
    # Fewest segments from 0 to each offset, found in order of starts: every segment goes forward.
    steps: dict[int, tuple[int, int, Segment | None]] = {0: (0, 0, None)}
    for segment in sorted(set(segments)):
        before = steps.get(segment.start)
        if before is None:
            continue
        offered = (before[0] + 1, before[1] + (segment.form == "parquet"))
        held = steps.get(segment.end)
        if held is None or offered < held[:2]:
            steps[segment.end] = (*offered, segment)
    path: list[Segment] = []
    at = max(steps)
    while (last := steps[at][2]) is not None:
        path.append(last)
        at = last.start
    return path[::-1]


def end_of(path: Sequence[Segment]) -> int:
    """Where the next segment has to start."""
    return path[-1].end if path else 0


def covered(segments: Iterable[Segment], path: Sequence[Segment]) -> list[Segment]:
    """Segments that do not count and never will, because the path goes at least as far."""
    counted = set(path)
    return sorted(each for each in segments if each not in counted and each.end <= end_of(path))


def merges(path: Sequence[Segment], fan: int, smallest: int) -> list[list[Segment]]:
    """Runs of neighbours that are worth being one segment; disjoint, in order.

    Size-tiered: at least `fan` neighbours of the same tier or below are merged, where tier t holds widths below
    `smallest * fan ** (t + 1)`. So a record is written again once a tier, and a partition of n records has about
    fan * log(n) segments.
    """
    if fan < 2:
        raise ValueError(f"merging needs at least 2 at a time, not {fan}")
    found: list[list[Segment]] = []
    taken: set[Segment] = set()
    tier = 0
    while True:
        limit = smallest * fan ** (tier + 1)
        run: list[Segment] = []
        for segment in [*path, None]:
            if segment is not None and segment.width < limit and segment not in taken:
                run.append(segment)
                continue
            # What is larger than all that follows it is not worth writing again for their sake.
            while run and run[0].width > sum(each.width for each in run[1:]):
                run.pop(0)
            if len(run) >= fan:
                found.append(run)
                taken.update(run)
            run = []
        if all(segment.width < limit for segment in path):
            return sorted(found)
        tier += 1
