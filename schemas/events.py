"""What every event has in common: version, times, positions, bytes, and the ways an event can be bad.

Intent: one place that says how an event of SameSKU looks on the wire. Non-goal: any particular event.

Formats, for all events:

* **Bytes**: UTF-8 JSON with sorted keys, written by orjson (`dumps`).
* **Version**: `schema_version` is `"MAJOR.MINOR"`. A higher minor adds fields that older readers keep and ignore.
  A different major means that this code cannot know what the event says: `UnknownMajorVersion`. The reader
  pauses and raises an alarm; it never guesses and never dead-letters, because the event may be right.
* **Times**: RFC 3339 in UTC with six decimals and `Z`, so that they sort as text: `2026-11-23T10:15:29.000000Z`.
  Input may carry any offset; a time without an offset is refused, since nobody could say what it means.
* **Money**: a decimal number as a string (`"19.99"`) beside an ISO 4217 currency; never a float (see `schemas.offer`).
* **Ids**: text as the seller wrote it; keys made of ids are percent-escaped (see `schemas.offer`).
* **Unknown fields** are kept on the way through and are never an error.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictInt,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

EVENT_SCHEMA_VERSION = "1.0"
SUPPORTED_MAJOR = 1
# Four digits a part: no sane version is longer, and it keeps int() away from attacker-sized digit strings.
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})", re.ASCII)


class Reason(StrEnum):
    """Why an event cannot be used. The value stands in the dead letter's `samesku-reason` header."""

    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    WRONG_TYPE = "wrong_type"
    BAD_VALUE = "bad_value"
    MISSING_FIELD = "missing_field"
    EMPTY_TITLE = "empty_title"
    EMPTY_ID = "empty_id"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    CONTROL_CHARACTERS = "control_characters"
    LONE_SURROGATE = "lone_surrogate"
    BAD_GTIN = "bad_gtin"
    UNKNOWN_OPERATION = "unknown_operation"
    BAD_KEY = "bad_key"
    POISON = "poison"
    """Well formed, but processing it alone failed again and again."""


REASONS: frozenset[str] = frozenset(reason.value for reason in Reason)


class EventError(Exception):
    """Base of what can be wrong with an event."""


class BadEvent(EventError):
    """The event can never be used: dead-letter it and go on.

    `reason` is one of `REASONS`, fit for a metric's label; `detail` is one line for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = str(Reason(reason))
        # The detail travels in a Kafka header and in logs: one line, bounded, encodable.
        line = " ".join(detail.split())[:500]
        self.detail = line.encode("utf-8", "replace").decode("utf-8")
        super().__init__(f"{self.reason}: {self.detail}" if self.detail else self.reason)


class UnknownMajorVersion(EventError):
    """The event is of a major schema version that this code does not know: pause and alarm, do not skip it."""

    def __init__(self, version: str) -> None:
        self.version = version
        super().__init__(
            f"schema_version {version!r} has an unknown major version; this code reads {SUPPORTED_MAJOR}.x: "
            "upgrade the reader before it goes on"
        )


def check_version(value: object) -> str:
    """Return `value` if it names a readable schema version.

    Raises BadEvent (not a version at all) and UnknownMajorVersion.
    """
    if not isinstance(value, str):
        raise BadEvent(Reason.WRONG_TYPE, f"schema_version must be a string, not {type(value).__name__}")
    parsed = _VERSION.fullmatch(value)
    if parsed is None:
        raise BadEvent(Reason.BAD_VALUE, f"schema_version {value[:40]!r} is not MAJOR.MINOR")
    if int(parsed[1]) != SUPPORTED_MAJOR:
        raise UnknownMajorVersion(value)
    return value


def utc(value: datetime) -> datetime:
    """`value` in UTC. Raises ValueError for a time without an offset, or one that UTC cannot express."""
    if value.tzinfo is None:
        raise PydanticCustomError("bad_value", "a time needs its offset from UTC, as in 2026-11-23T10:15:29Z")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("bad_value", "the time is out of range") from error


def format_time(value: datetime) -> str:
    """RFC 3339, UTC, six decimals. `strftime` is avoided: it does not pad years below 1000."""
    moment = utc(value).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"


def _time_input(value: object) -> object:
    # pydantic would also take numbers, as seconds or as milliseconds depending on their size.
    if isinstance(value, str | datetime):
        return value
    raise PydanticCustomError("wrong_type", "a time is an RFC 3339 string")


Timestamp = Annotated[
    datetime,
    BeforeValidator(_time_input),
    AfterValidator(utc),
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "RFC 3339, UTC"}),
]
"""A moment. In memory an aware datetime in UTC; on the wire RFC 3339."""

# Kafka offsets and our counters are signed 64-bit integers.
MAX_INT64 = 2**63 - 1
Natural = Annotated[StrictInt, Field(ge=0, le=MAX_INT64)]
"""A whole number from 0 to 2^63 - 1; strings, floats and booleans are refused."""


class Event(BaseModel):
    """Base of all events: carries its schema version and keeps fields it does not know."""

    model_config = ConfigDict(extra="allow", validate_default=True)

    schema_version: Annotated[
        str,
        Field(description="MAJOR.MINOR of the event's schema", json_schema_extra={"pattern": r"^1\.[0-9]{1,4}$"}),
    ] = EVENT_SCHEMA_VERSION

    @field_validator("schema_version")
    @classmethod
    def _readable(cls, value: str) -> str:
        # UnknownMajorVersion is no ValueError, so pydantic lets it through as it is.
        try:
            return check_version(value)
        except BadEvent as error:
            raise PydanticCustomError("bad_value", "{detail}", {"detail": error.detail}) from error


E = TypeVar("E", bound=Event)


def read_event(model: type[E], value: bytes | None) -> E | None:
    """The event of ours that a record carries; None where it carries none. Raises UnknownMajorVersion."""
    try:
        data = orjson.loads(value or b"")
        # First of all: what an unknown major version means by its fields is not ours to judge.
        if isinstance(data, dict) and "schema_version" in data:
            check_version(data["schema_version"])
        return model.model_validate(data)
    except (ValueError, BadEvent):
        return None


class Position(BaseModel):
    """Where a record stands in Kafka. `(partition, offset)` of `catalog.changes` is the identity of a change."""

    model_config = ConfigDict(frozen=True)

    topic: str
    partition: Natural
    offset: Natural


def dumps(model: BaseModel) -> bytes:
    """The event's bytes: UTF-8 JSON, sorted keys, unknown fields included. Equal events give equal bytes."""
    return orjson.dumps(model.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)


def canonical(value: Any) -> bytes:
    """Canonical JSON of plain data (sorted keys, no spaces), for hashing. Shape: any JSON value."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def sha256_hex(data: bytes) -> str:
    """64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


HEADER_EVENT = "samesku-event"
HEADER_SCHEMA_VERSION = "samesku-schema-version"
HEADER_CONTENT_TYPE = "content-type"


def event_headers(model: Event) -> list[tuple[str, bytes]]:
    """Kafka headers of an event that we publish: a reader can route and refuse without parsing the value."""
    return [
        (HEADER_CONTENT_TYPE, b"application/json"),
        (HEADER_EVENT, type(model).__name__.encode("ascii")),
        (HEADER_SCHEMA_VERSION, model.schema_version.encode("ascii")),
    ]
