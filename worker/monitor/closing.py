"""Which windows are whole: nothing that belongs into them can come any more.

Within a partition the log's clock never goes back. So a window is whole once, of every partition, the next committed
record that is not yet counted lies behind its end, or there is none, no transaction is open, and the window's end is
past. An open transaction holds its window open: its records carry the time at which they were written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from worker.monitor.reader import Found


class ReadsAhead(Protocol):
    """The part of `CommittedReader` that closing uses."""

    def partitions(self, topic: str) -> list[int]: ...

    def ends(self, topic: str, partitions: list[int]) -> dict[int, int]: ...

    def next_after(self, topic: str, partition: int, offset: int) -> Found | int: ...


def whole_until(
    topic: str,
    marks: Mapping[str, tuple[int, int]],
    needed_ms: int,
    reader: ReadsAhead,
    now_ms: Callable[[], int],
    grace_ms: int,
) -> int:
    """The moment (ms) before which all committed records of a topic are counted; no more precise than `needed_ms` asks.

    `marks`: (last counted offset, its time) by `topic/partition`, read *before* this call. A topic that does not exist
    is whole up to now.
    """
    now = now_ms() - grace_ms
    partitions = reader.partitions(topic)
    waiting = [number for number in partitions if marks.get(f"{topic}/{number}", (-1, -1))[1] < needed_ms]
    # Before the records are looked at: whatever is appended afterwards is younger than `now`.
    ends = reader.ends(topic, waiting) if waiting else {}
    reached = now
    for number in waiting:
        mark, at = marks.get(f"{topic}/{number}", (-1, 0))
        following = reader.next_after(topic, number, mark + 1)
        if isinstance(following, Found):
            reached = min(reached, following.at_ms)
        elif following < ends[number]:
            # An open transaction: its records are no older than the last one that was counted.
            reached = min(reached, at)
    return reached
