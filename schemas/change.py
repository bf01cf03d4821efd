"""A catalogue change as it comes from a seller, and the door that every change passes.

Intent: `parse_change` turns any bytes into a `CatalogChange` or says why not. Non-goals: whether the change is newer
than what is indexed (`worker/stream/`), and cleaning for the prompt (`schemas.text`).

What is refused is what cannot be used; the rest is taken as it is:

* control characters in `title` and other text are accepted (cleaning makes them blanks); in ids and keys they are
  refused, because two spellings of one id would be two offers;
* a `gtin` whose check digit is wrong is refused: one digit of it is a typing error, and an identifier that names
  another product corrupts the matches of both. Text that is no GTIN at all ("does not apply", a short number, only
  zeros) is accepted and never used as an identifier;
* an event without `schema_version` is read as 1.0.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import AfterValidator, Field, StrictBool, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from schemas.events import REASONS, BadEvent, Event, Natural, Reason, Timestamp, check_version
from schemas.identifiers import GTIN_LENGTHS, gtin14
from schemas.offer import Identifier, Offer, offer_key, split_key
from schemas.text import clean

# Below the 1 MiB that a default producer sends and a default topic takes, with room for key and headers.
MAX_EVENT_BYTES = 1_000_000
# Unknown fields may nest; deeper than this nobody means it, and our serialisers would give up further down.
MAX_DEPTH = 32

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _usable_id(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("empty_id", "an id must not be blank")
    if _CONTROL.search(value):
        raise PydanticCustomError("control_characters", "control characters are not allowed in an id")
    return value


_Id = Annotated[Identifier, AfterValidator(_usable_id)]


class CatalogChange(Event):
    """An upsert or a delete of one offer. Kafka key: `offer_key(source, offer_id)`.

    `source` and `offer_id` may be left to the offer, or the offer's to them; where both are given they agree.
    `version` is the seller's own counter, here or in the offer. A delete carries no offer.
    """

    op: Literal["upsert", "delete"]
    source: _Id
    offer_id: _Id
    offer: Offer | None = Field(default=None, description="the whole offer, not a patch; required by an upsert")
    event_time: Timestamp | None = Field(default=None, description="when the change happened at the seller")
    index_only: StrictBool = Field(default=False, description="index the offer, do not judge its pairs")
    version: Natural | None = Field(default=None, description="the seller's counter; an older one is superseded")

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        offer = data.get("offer")
        if isinstance(offer, Offer):
            offer = offer.model_dump(exclude_unset=True)
        if isinstance(offer, dict):
            offer = dict(offer)
            for name in ("source", "offer_id"):
                if data.get(name) is None and offer.get(name) is not None:
                    data[name] = offer[name]
                elif offer.get(name) is None and data.get(name) is not None:
                    offer[name] = data[name]
            if data.get("version") is None and offer.get("version") is not None:
                data["version"] = offer["version"]
            data["offer"] = offer
        if data.get("op") == "delete":
            data["offer"] = None
        return data

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.offer is None:
            if self.op == "upsert":
                raise PydanticCustomError("missing_field", "an upsert needs its offer")
            return self
        if (self.offer.source, self.offer.offer_id) != (self.source, self.offer_id):
            raise PydanticCustomError("bad_key", "source or offer_id differ between the change and its offer")
        if self.offer.version is not None and self.offer.version != self.version:
            raise PydanticCustomError("bad_value", "version differs between the change and its offer")
        return self

    @property
    def key(self) -> str:
        """The offer's key, and the Kafka key (UTF-8) of this change."""
        return offer_key(self.source, self.offer_id)


def parse_change(key: bytes | None, value: bytes | None) -> CatalogChange:
    """The change that a record of `catalog.changes` carries. A null value is a delete of the key.

    Raises:
        BadEvent: the record can never be used; `reason` says why.
        UnknownMajorVersion: the record may be right, but this code cannot read it.

    Nothing else, whatever the bytes.
    """
    if value is None:
        return _tombstone(key)
    try:
        change = CatalogChange.model_validate(read_object(value))
    except ValidationError as error:
        raise bad_event(error) from error
    _check_key(key, change)
    if change.offer is not None:
        _check_offer(change.offer)
    return change


def _tombstone(key: bytes | None) -> CatalogChange:
    if key is None:
        raise BadEvent(Reason.BAD_KEY, "both key and value are null: nothing says which offer is deleted")
    text = key_text(key)
    try:
        source, offer_id = split_key(text)
        change = CatalogChange(op="delete", source=source, offer_id=offer_id)
    except ValueError as error:  # ValidationError is one too
        raise BadEvent(Reason.BAD_KEY, f"not an offer key (source:offer_id): {text[:80]!r}") from error
    if change.key != text:
        raise BadEvent(Reason.BAD_KEY, f"the key {text[:80]!r} is spelt {change.key[:80]!r}")
    return change


def key_text(key: bytes) -> str:
    """A record's key as text. Raises BadEvent."""
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadEvent(Reason.BAD_KEY, "the key is not UTF-8") from error


def _check_key(key: bytes | None, change: CatalogChange) -> None:
    if key is None:
        raise BadEvent(Reason.BAD_KEY, "the key is null: without it an offer's changes have no order")
    text = key_text(key)
    if text != change.key:
        raise BadEvent(Reason.BAD_KEY, f"the key is {text[:80]!r}, the event is about {change.key[:80]!r}")


def _check_offer(offer: Offer) -> None:
    if not clean(offer.title):
        raise BadEvent(Reason.EMPTY_TITLE, "nothing is left of the title after cleaning")
    if offer.gtin is None:
        return
    digits = re.sub(r"[\s-]", "", offer.gtin)
    looks_like_one = digits.isascii() and digits.isdigit() and len(digits) in GTIN_LENGTHS and int(digits) != 0
    if looks_like_one and gtin14(offer.gtin) is None:
        raise BadEvent(Reason.BAD_GTIN, f"the check digit of gtin {digits} is wrong")


def read_object(value: bytes) -> dict[str, Any]:
    """The JSON object of an event whose fields are yet to be checked. Raises BadEvent and UnknownMajorVersion."""
    if len(value) > MAX_EVENT_BYTES:
        raise BadEvent(Reason.TOO_LARGE, f"{len(value)} bytes; the limit is {MAX_EVENT_BYTES}")
    data = loads(value)
    if not isinstance(data, dict):
        raise BadEvent(Reason.NOT_AN_OBJECT, f"the event is a JSON {_json_type(data)}, not an object")
    # First of all: what an unknown major version means by its fields is not ours to judge.
    if "schema_version" in data:
        check_version(data["schema_version"])
    if too_deep(data):
        raise BadEvent(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
    return data


def loads(value: bytes) -> Any:
    """JSON as plain data. Raises BadEvent, which says what of it is no JSON."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _why_not_json(value, str(error)) from error


def _why_not_json(value: bytes, message: str) -> BadEvent:
    """orjson refuses bytes that are not UTF-8, lone surrogates and non-JSON alike; operators want to know which."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        try:
            value.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            return BadEvent(Reason.NOT_UTF8, f"byte {error.start} is not UTF-8")
        return BadEvent(Reason.LONE_SURROGATE, "an encoded surrogate half is not UTF-8")
    if "depth limit" in message:
        return BadEvent(Reason.TOO_DEEP, message)
    try:
        # The standard parser reads a lone \ud800 escape; it recurses, hence RecursionError.
        json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return BadEvent(Reason.LONE_SURROGATE, "a \\ud800-\\udfff escape stands without its other half")
    except (ValueError, RecursionError):
        pass
    return BadEvent(Reason.NOT_JSON, message)


def _json_type(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), "value")


def too_deep(data: dict[str, Any]) -> bool:
    """Whether an event nests deeper than `MAX_DEPTH`."""
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


_BY_TYPE: dict[str, Reason] = {
    "missing": Reason.MISSING_FIELD,
    "string_too_long": Reason.TOO_LARGE,
    "too_long": Reason.TOO_LARGE,
    "literal_error": Reason.UNKNOWN_OPERATION,
}
# Stated so that the published reason does not depend on the order of fields: ids and operation before content.
_PRIORITY = [Reason.UNKNOWN_OPERATION, Reason.CONTROL_CHARACTERS, Reason.MISSING_FIELD, Reason.EMPTY_ID]


def bad_event(error: ValidationError) -> BadEvent:
    """The `BadEvent` for what pydantic found; of several faults the one that says most."""
    found = [(_reason(detail), detail) for detail in error.errors(include_url=False, include_context=False)]
    reason, detail = min(found, key=lambda pair: _PRIORITY.index(pair[0]) if pair[0] in _PRIORITY else 99)
    where = ".".join(str(part)[:60] for part in detail["loc"]) or "event"
    return BadEvent(reason, f"{where}: {detail['msg']}")


def _reason(detail: ErrorDetails) -> Reason:
    kind = detail["type"]
    field = detail["loc"][-1] if detail["loc"] else ""
    if kind in REASONS:
        return Reason(kind)
    if kind == "missing" or (detail["input"] is None and field in ("source", "offer_id", "title", "op")):
        return Reason.MISSING_FIELD
    if kind == "literal_error" and not isinstance(detail["input"], str):
        return Reason.WRONG_TYPE
    if kind in ("string_too_short", "too_short"):
        return Reason.EMPTY_TITLE if field == "title" else Reason.EMPTY_ID
    if kind == "value_error" and field in ("source", "offer_id"):
        return Reason.CONTROL_CHARACTERS
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    return Reason.WRONG_TYPE if kind.endswith("_type") else Reason.BAD_VALUE
