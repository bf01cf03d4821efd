from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.deadletter import (
    DEAD_LETTER_HEADERS,
    HEADER_DETAIL,
    HEADER_OFFSET,
    HEADER_OMITTED,
    HEADER_REASON,
    dead_letter_headers,
    original_headers,
    read_dead_letter,
)
from schemas.events import Position

SOURCE = Position(topic="catalog.changes", partition=3, offset=2**40)
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def build(**changes: Any) -> list[tuple[str, bytes | None]]:
    fields: dict[str, Any] = {
        "reason": "not_json",
        "detail": "line 1: été",
        "source": SOURCE,
        "timestamp_ms": 1_700_000_000_000,
        "worker_version": "0.1.0",
        "failed_at": NOW,
        **changes,
    }
    return dead_letter_headers(**fields)


def test_headers_say_all_about_the_record() -> None:
    read = read_dead_letter(build())
    assert (read.reason, read.detail, read.source, read.timestamp_ms) == (
        "not_json",
        "line 1: été",
        SOURCE,
        1_700_000_000_000,
    )
    assert (read.worker_version, read.failed_at) == ("0.1.0", "2026-11-23T10:00:00.000000Z")
    assert [name for name, _ in build(omitted="9 ab")] == list(DEAD_LETTER_HEADERS)


names = st.sampled_from(["trace", "trace", "x", "", HEADER_REASON, HEADER_OFFSET, HEADER_DETAIL, HEADER_OMITTED])


@given(st.lists(st.tuples(names, st.none() | st.binary()), max_size=12), st.none() | st.just("9 ab"))
def test_original_headers_are_kept_and_found_again(
    original: list[tuple[str, bytes | None]], omitted: str | None
) -> None:
    headers = build(original=original, omitted=omitted)
    assert headers[: len(original)] == original
    assert original_headers(headers) == original
    assert read_dead_letter(headers).source == SOURCE


def test_a_dead_letter_of_a_dead_letter_keeps_both_stories() -> None:
    once = build(original=[("trace", b"t")])
    twice = build(reason="poison", original=once)
    assert read_dead_letter(twice).reason == "poison"
    assert original_headers(twice) == once


def test_an_unknown_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="no_such"):
        build(reason="no_such")


@pytest.mark.parametrize("headers", [[], [("trace", b"t")], [(HEADER_REASON, None)]])
def test_what_is_no_dead_letter_is_refused(headers: list[tuple[str, bytes | None]]) -> None:
    with pytest.raises(ValueError, match="header"):
        read_dead_letter(headers)


def test_a_number_that_is_none_is_refused() -> None:
    headers = [(name, b"x" if name == HEADER_OFFSET else value) for name, value in build()]
    with pytest.raises(ValueError, match="samesku-offset is not a number"):
        read_dead_letter(headers)
