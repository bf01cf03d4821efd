"""What is put to the teacher: two listings, and nothing that could give the label away.

Everything downstream of this module sees a :class:`Question`. It has no label and no metadata, and its listings hold
only the fields that :data:`SHOWN` names: ids, seller names and unknown columns (``cluster_id``) stay outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from schemas.columns import column_name, offer_fields
from schemas.offer import Offer
from schemas.prompt import quotable
from schemas.text import clean, cut, strip_control
from train.pairs.sides import RowError, split_row
from train.pairs.tables import PairFileError, read_table
from train.rationales.records import OfferRef

SHOWN = ("title", "brand", "model_number", "gtin", "price", "currency", "category", "description", "attributes")
# A teacher reads more than the student does, but the tail of a page-long description costs money and says little.
LIMITS = {"title": 400, "description": 1_200}
FIELD_CHARS = 200
MAX_ATTRIBUTES = 30
# Names under which data sets keep the answer; a seller's table that has one of them gives it to nobody.
_ANSWERS = re.compile(r"label|cluster|groundtruth|gold|duplicate|ismatch|matchid|pairid")
# Control tokens of chat templates are written with these signs, in ASCII or wide; as JSON escapes they are text.
_SIGNS = re.compile("[<>\\[\\]|\\uff1c\\uff1e\\uff5c]")


@dataclass(frozen=True)
class Listing:
    """One listing as the teacher sees it."""

    fields: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, offer: Offer) -> Listing:
        """The listing of an offer: known fields only, control characters out, long texts cut."""
        fields: list[tuple[str, str]] = []
        for name in SHOWN[:-1]:
            value = _text(getattr(offer, name), LIMITS.get(name, FIELD_CHARS))
            if value:
                fields.append((name, value))
        for name, stated in list((offer.attributes or {}).items())[:MAX_ATTRIBUTES]:
            if (text := _text(stated, FIELD_CHARS)) and not _ANSWERS.search(column_name(name)):
                fields.append((f"attributes.{_text(name, FIELD_CHARS)}", text))
        return cls(tuple(fields))

    def states(self, quote: str) -> bool:
        """Whether a quote stands in one of the fields, letters' case, blanks and loose punctuation aside."""
        wanted = clean(quote)
        return bool(wanted) and any(wanted in clean(value) for _, value in self.fields)


def _text(value: Any, limit: int) -> str:
    return cut(" ".join(strip_control(str(value)).split()), limit) if value is not None else ""


@dataclass(frozen=True)
class Question:
    """A pair without its answer. ``left`` and ``right`` are named A and B in every prompt."""

    pair_id: str
    left: Listing
    right: Listing
    refs: tuple[OfferRef, OfferRef]
    quotable: tuple[str, str]

    @classmethod
    def of(cls, pair_id: str, left: Offer, right: Offer) -> Question:
        """The question about two offers."""
        return cls(
            pair_id,
            Listing.of(left),
            Listing.of(right),
            (OfferRef.of(left), OfferRef.of(right)),
            (quotable(left), quotable(right)),
        )


def as_data(value: Any) -> str:
    """Plain data as JSON in which no seller's text can end a string or spell a control token of a chat template."""
    out: list[str] = []
    inside = escaped = False
    for char in orjson.dumps(value).decode():
        if inside and not escaped and _SIGNS.match(char):
            out.append(f"\\u{ord(char):04x}")
            continue
        if char == '"' and not escaped:
            inside = not inside
        escaped = inside and char == "\\" and not escaped
        out.append(char)
    return "".join(out)


# Names a column that no file has: so the reader finds no label, whatever the file calls it.
_NO_LABEL = "\0no label"


def read_questions(path: Path) -> list[Question]:
    """The questions of a pair file of any format that training reads; a label, if a row has one, is not read.

    Raises:
        PairFileError: the file cannot be read, or a row lacks a side or a title.
    """
    questions: list[Question] = []
    for number, row in read_table(path):
        where = f"{path}: row {number}"
        try:
            sides = split_row({**row, _NO_LABEL: None}, _NO_LABEL)
        except RowError as error:
            raise PairFileError(f"{where}: {error}") from error
        identity = sides.pair_id or f"{path.name}-{len(questions) + 1}"
        left, right = (
            _offer(record, side, identity, where) for record, side in ((sides.left, "left"), (sides.right, "right"))
        )
        questions.append(Question.of(identity, left, right))
    return questions


def _offer(record: Mapping[str, Any], side: str, identity: str, where: str) -> Offer:
    try:
        return Offer.model_validate({"offer_id": f"{identity}-{side}", **offer_fields(record, side)})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PairFileError(f"{where}: pair {identity}: {side}: {first['loc'][0]}: {first['msg']}") from error
