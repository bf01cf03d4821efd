"""The offer: one listing in one seller's catalogue, and the keys that name offers and pairs."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator

# Longer values are refused at the door: no seller names a product in more, and the broker must take the event back.
MAX_TITLE_CHARS = 2_000
MAX_FIELD_CHARS = 20_000
MAX_ID_CHARS = 512

_KEY_ESCAPE = re.compile(r"[%:#\x00-\x1f\x7f\s]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _escape(part: str) -> str:
    return _KEY_ESCAPE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), part)


def _unescape(part: str) -> str:
    return re.sub(r"(?:%[0-9A-F]{2})+", lambda match: bytes.fromhex(match[0].replace("%", "")).decode(), part)


def offer_key(source: str, offer_id: str) -> str:
    """The name of an offer across sellers, and its Kafka key: ``source:offer_id``.

    ``% : #``, blanks and control characters are percent-escaped as UTF-8.
    """
    return f"{_escape(source)}:{_escape(offer_id)}"


def split_key(key: str) -> tuple[str, str]:
    """``(source, offer_id)`` of a key that :func:`offer_key` made.

    Raises:
        ValueError: the text is not such a key.
    """
    parts = key.split(":")
    if len(parts) != 2 or not all(parts) or _KEY_ESCAPE.search(re.sub(r"%[0-9A-F]{2}", "", parts[0] + parts[1])):
        raise ValueError(f"not an offer key (source:offer_id): {key!r}")
    return _unescape(parts[0]), _unescape(parts[1])


def pair_id(key_a: str, key_b: str) -> str:
    """The name of a pair: both offer keys, sorted, joined by ``#``."""
    return "#".join(sorted((key_a, key_b)))


def split_pair(pair: str) -> tuple[str, str]:
    """Both offer keys of a pair id.

    Raises:
        ValueError: the text is not a pair id.
    """
    first, separator, second = pair.partition("#")
    if not separator or not first or not second or "#" in second:
        raise ValueError(f"not a pair id (key#key): {pair!r}")
    return first, second


def _number_to_text(value: Any) -> Any:
    """Sellers send ids and prices as numbers; JSON has no decimal type, so both are kept as text."""
    if isinstance(value, bool):
        return value
    return str(value) if isinstance(value, int | float | Decimal) else value


def _identifier(value: Any) -> Any:
    """Numbers as text, blanks at the ends off: pydantic would count the characters before it strips."""
    value = _number_to_text(value)
    return value.strip() if isinstance(value, str) else value


Identifier = Annotated[str, BeforeValidator(_identifier), StringConstraints(min_length=1, max_length=MAX_ID_CHARS)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE_CHARS)]
Text = Annotated[str, BeforeValidator(_number_to_text), StringConstraints(max_length=MAX_FIELD_CHARS)]
Money = Annotated[
    str, BeforeValidator(_number_to_text), StringConstraints(strip_whitespace=True, pattern=r"^\d{1,15}(\.\d{1,6})?$")
]


class Offer(BaseModel):
    """One listing. Only ``offer_id``, ``source`` and ``title`` are required; unknown fields are kept.

    ``price`` is a decimal number as text (no thousands separator, no sign), ``currency`` an ISO 4217 code,
    ``version`` the seller's own counter. ``gtin`` is kept as given; whether its check digit is right is asked by
    :func:`schemas.change.parse_change`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    offer_id: Identifier
    source: Identifier
    title: Title
    brand: Text | None = None
    model_number: Text | None = None
    gtin: Text | None = None
    price: Money | None = None
    currency: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Z]{3}$")] | None = None
    category: Text | None = None
    description: Text | None = None
    attributes: dict[str, Text | None] | None = None
    image_url: Text | None = None
    version: int | None = Field(default=None, ge=0, strict=True)

    @field_validator("offer_id", "source")
    @classmethod
    def _no_control(cls, value: str) -> str:
        if _CONTROL.search(value):
            raise ValueError("control characters are not allowed in an id")
        return value

    @property
    def key(self) -> str:
        return offer_key(self.source, self.offer_id)

    def digest(self) -> str:
        """SHA-256 (hex) of the content: every field that is given, ``version`` excepted, as JSON with sorted keys."""
        content = self.model_dump(exclude={"version"}, exclude_none=True)
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
