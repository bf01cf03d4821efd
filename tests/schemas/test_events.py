from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import (
    REASONS,
    BadEvent,
    Event,
    Natural,
    Position,
    Timestamp,
    UnknownMajorVersion,
    check_version,
    dumps,
    event_headers,
    format_time,
)


class Sample(Event):
    at: Timestamp
    count: Natural = 0


def test_times_are_written_in_utc_with_six_decimals() -> None:
    local = datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert orjson.loads(dumps(Sample(at=local)))["at"] == "2026-11-23T10:00:00.000000Z"


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_written_times_sort_as_moments_do(a: datetime, b: datetime) -> None:
    assert (format_time(a) < format_time(b)) == (a < b)
    assert Sample.model_validate_json(dumps(Sample(at=a))).at == a


@pytest.mark.parametrize(
    "value", ["2026-11-23T10:00:00", "2026-11-23", "yesterday", 1_700_000_000, True, None, "0001-01-01T00:00:00+23:00"]
)
def test_a_time_that_cannot_be_meant_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({"at": value})


@pytest.mark.parametrize("value", ["1", 1.0, True, -1, 2**63])
def test_counts_are_whole_numbers_and_nothing_else(value: object) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({"at": "2026-11-23T10:00:00Z", "count": value})


def test_unknown_fields_survive_a_round_trip() -> None:
    data = {"at": "2026-11-23T10:00:00.000000Z", "shop": {"deep": [1, None, "x"]}, "schema_version": "1.7", "count": 3}
    assert orjson.loads(dumps(Sample.model_validate(data))) == data


def test_bytes_do_not_depend_on_the_order_of_fields() -> None:
    at = "2026-11-23T10:00:00Z"
    assert dumps(Sample.model_validate({"at": at, "z": 1, "a": 2})) == dumps(
        Sample.model_validate({"a": 2, "z": 1, "at": at})
    )


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0"])
def test_an_unknown_major_version_is_raised_as_such(version: str) -> None:
    with pytest.raises(UnknownMajorVersion, match=version):
        check_version(version)
    with pytest.raises(UnknownMajorVersion):
        Sample.model_validate({"schema_version": version, "at": "2026-11-23T10:00:00Z"})


@pytest.mark.parametrize("version", ["1", "one", "1.0.0", "", " 1.0", "9" * 10_000 + ".0", 1.0, None, "١.٠"])
def test_what_is_no_version_is_a_bad_event(version: object) -> None:
    with pytest.raises(BadEvent):
        check_version(version)


@given(st.text())
def test_a_bad_event_can_always_be_put_into_a_header(detail: str) -> None:
    error = BadEvent("poison", detail)
    assert error.reason in REASONS
    assert len(error.detail.encode("utf-8").splitlines()) <= 1


def test_a_detail_with_half_a_character_is_still_encodable() -> None:
    assert BadEvent("not_json", "a\ud800b").detail == "a?b"


def test_a_reason_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no_such_reason"):
        BadEvent("no_such_reason")


def test_headers_name_event_and_version() -> None:
    headers = dict(event_headers(Sample(at=datetime(2026, 1, 1, tzinfo=UTC))))
    assert headers == {
        "content-type": b"application/json",
        "samesku-event": b"Sample",
        "samesku-schema-version": b"1.0",
    }


def test_a_position_is_checked() -> None:
    with pytest.raises(ValidationError):
        Position(topic="catalog.changes", partition=0, offset=-1)
