"""When a window is whole."""

from __future__ import annotations

import pytest

from worker.monitor.closing import whole_until
from worker.monitor.reader import Found

TOPIC = "match.decisions"
NOW = 100_000
GRACE = 1_000


class Partitions:
    """What a broker would say: per partition, the next committed record or the committed end, and the real end."""

    def __init__(self, following: dict[int, Found | int], ends: dict[int, int]) -> None:
        self.following, self.real_ends = following, ends
        self.asked: list[tuple[int, int]] = []

    def partitions(self, topic: str) -> list[int]:
        return sorted(self.following)

    def ends(self, topic: str, partitions: list[int]) -> dict[int, int]:
        return {number: self.real_ends[number] for number in partitions}

    def next_after(self, topic: str, partition: int, offset: int) -> Found | int:
        self.asked.append((partition, offset))
        return self.following[partition]


def until(reader: Partitions, marks: dict[str, tuple[int, int]], needed: int = 50_000) -> int:
    return whole_until(TOPIC, marks, needed, reader, lambda: NOW, GRACE)


def test_nothing_more_to_come_is_whole_up_to_now() -> None:
    reader = Partitions({0: 10, 1: 5}, {0: 10, 1: 5})
    assert until(reader, {f"{TOPIC}/0": (9, 40_000), f"{TOPIC}/1": (4, 30_000)}) == NOW - GRACE


def test_a_record_that_is_not_counted_yet_bounds_it() -> None:
    reader = Partitions({0: Found(10, 45_000, b""), 1: 5}, {0: 20, 1: 5})
    assert until(reader, {f"{TOPIC}/0": (9, 40_000), f"{TOPIC}/1": (4, 30_000)}) == 45_000
    assert reader.asked == [(0, 10), (1, 5)]


def test_an_open_transaction_holds_its_window_open() -> None:
    reader = Partitions({0: 10}, {0: 12})
    assert until(reader, {f"{TOPIC}/0": (9, 40_000)}) == 40_000
    assert until(Partitions({0: 0}, {0: 2}), {}) == 0


def test_a_partition_that_is_past_the_window_is_not_asked() -> None:
    reader = Partitions({0: Found(10, 60_000, b"")}, {0: 20})
    assert until(reader, {f"{TOPIC}/0": (9, 50_000)}) == NOW - GRACE
    assert reader.asked == []


@pytest.mark.parametrize("following", [{}, {0: 0}])
def test_a_topic_that_is_empty_or_missing_holds_nothing_up(following: dict[int, Found | int]) -> None:
    assert until(Partitions(following, {0: 0}), {}) == NOW - GRACE
