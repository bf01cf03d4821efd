"""Ranges as people name them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.replay.errors import WrongRequest
from worker.replay.span import Point, Span, between, parse_point

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LOW, HIGH = {0: 5, 1: 0}, {0: 30, 1: 12}


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("start", Point(edge="start")),
        ("end", Point(edge="end")),
        ("now", Point(edge="end")),
        ("2h", Point(at=NOW - timedelta(hours=2))),
        ("1.5d", Point(at=NOW - timedelta(hours=36))),
        ("0:17,1:2", Point(offsets={0: 17, 1: 2})),
        ("2026-11-23T10:00:00Z", Point(at=datetime(2026, 11, 23, 10, tzinfo=UTC))),
        ("2026-11-23T10:00+02:00", Point(at=datetime(2026, 11, 23, 8, tzinfo=UTC))),
        ("2026-11-23", Point(at=datetime(2026, 11, 23, tzinfo=UTC))),
    ],
)
def test_what_can_be_said(text: str, point: Point) -> None:
    assert parse_point(text, NOW) == point


@pytest.mark.parametrize("text", ["", "yesterday", "0:1,0:2", "0:", "-3h", "2x", "999999999w", "0:1;1:2"])
def test_what_cannot(text: str) -> None:
    with pytest.raises(WrongRequest):
        parse_point(text, NOW)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        point = parse_point(text, NOW)
    except WrongRequest:
        return
    assert sum(value is not None for value in (point.edge, point.at, point.offsets)) == 1


def test_partitions_that_one_end_does_not_name_are_left_out() -> None:
    everything = between("t", Point(edge="start"), Point(edge="end"), LOW, HIGH)
    assert everything == Span("t", LOW, HIGH)
    assert everything.size == 37
    assert between("t", Point(offsets={1: 3}), Point(edge="end"), LOW, HIGH) == Span("t", {1: 3}, {1: 12})


@pytest.mark.parametrize(
    ("begin", "end", "told"),
    [
        ({0: 4}, {0: 9}, "5 to 30"),
        ({0: 7}, {0: 31}, "5 to 30"),
        ({2: 1}, {2: 2}, "no partition 2"),
        ({0: 9}, {0: 8}, "behind its end"),
        ({0: 9}, {1: 8}, "no partition in common"),
    ],
)
def test_a_range_that_is_not_there_is_named(begin: dict[int, int], end: dict[int, int], told: str) -> None:
    with pytest.raises(WrongRequest, match=told):
        between("t", Point(offsets=begin), Point(offsets=end), LOW, HIGH)


def test_what_came_since() -> None:
    span = Span("t", {0: 5, 1: 0}, {0: 10, 1: 4})
    assert span.after({0: 12, 1: 4}) == Span("t", {0: 10, 1: 4}, {0: 12, 1: 4})
