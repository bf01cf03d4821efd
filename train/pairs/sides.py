"""Which columns of a row are the left offer, which the right one, and what its label says.

A row is nested (``left`` and ``right`` are records) or flat (``left_title``, ``title_right``, ``ltable_name``,
``title_1``, ``left.title`` and the like). What a side's own columns mean is read as in a catalogue
(:mod:`schemas.columns`), so ``modelno``, ``mpn`` and their like are known. Pure functions, no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from schemas.columns import COLUMNS, column_name

# Left and right as people name them, best first; the first under which both sides have a title is taken.
NAMES: tuple[tuple[str, str], ...] = (
    ("left", "right"),
    ("ltable", "rtable"),
    ("offer_a", "offer_b"),
    ("offer_1", "offer_2"),
    ("first", "second"),
    ("query", "candidate"),
    ("l", "r"),
    ("a", "b"),
    ("1", "2"),
)
LABEL_COLUMNS = ("label", "gold_label", "is_match", "match", "is_duplicate", "duplicate", "same", "is_same", "target")
PAIR_ID_COLUMNS = ("pair_id", "pairid", "id", "_id")
MATCH = frozenset(["1", "true", "t", "yes", "y", "match", "matched", "same", "duplicate", "positive", "equal"])
NO_MATCH = frozenset(
    [
        *("0", "false", "f", "no", "n", "nomatch", "nonmatch", "notmatch", "mismatch", "unmatched"),
        *("different", "distinct", "notsame", "negative", "unequal"),
    ]
)
VALID_LABELS = "0/1, true/false, yes/no, match/no_match, same/different"

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_JOINTS = re.compile(r"[.\s:/-]+")
_SHOWN_CHARS = 60
_EXAMPLES = "left and right as records, or left_title/right_title, title_left/title_right, ltable_title/rtable_title, "
_VALID_SIDES = _EXAMPLES + "title_1/title_2 and the like"


class RowError(ValueError):
    """A row that does not give a pair; the message names column and value, and what would be valid."""


@dataclass(frozen=True)
class Sides:
    """A row taken apart: two records, the label's cell, the pair's own id if any, and all other columns."""

    left: Mapping[str, Any]
    right: Mapping[str, Any]
    label: Any
    pair_id: str | None
    rest: dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """Where the columns of a flat table belong: column to the side's own column, for either side."""

    left: dict[str, str]
    right: dict[str, str]


def split_row(row: Mapping[str, Any], label_column: str | None = None) -> Sides:
    """Take a row apart; ``label_column`` names the label's column where it is none of ``LABEL_COLUMNS``.

    Raises:
        RowError: no columns for both sides, or no label column.
    """
    nested = next((pair for pair in NAMES if any(isinstance(row.get(name), Mapping) for name in pair)), None)
    if nested is not None:
        for name in nested:
            if not isinstance(row.get(name), Mapping):
                raise RowError(f"no {name!r} object (column {name!r}: {shown(row.get(name))})")
        left, right = row[nested[0]], row[nested[1]]
        used = set(nested)
    else:
        layout = layout_of(tuple(row))
        if layout is None:
            raise RowError(f"no columns for the titles of both sides in {shown(list(row))} (valid: {_VALID_SIDES})")
        left = {name: row[column] for column, name in layout.left.items()}
        right = {name: row[column] for column, name in layout.right.items()}
        used = {*layout.left, *layout.right}
    free = {name: value for name, value in row.items() if name not in used}
    label = _found(free, (label_column,) if label_column else LABEL_COLUMNS)
    if label is None:
        wanted = label_column or ", ".join(LABEL_COLUMNS)
        raise RowError(f"no label column in {shown(list(free))} (valid: {wanted})")
    identity = _found(free, PAIR_ID_COLUMNS)
    value = free[identity] if identity else None
    rest = {name: cell for name, cell in free.items() if name not in (label, identity)}
    return Sides(left, right, free[label], str(value) if value not in (None, "") else None, rest)


def read_label(value: Any) -> int:
    """1 for a match, 0 for none, however it is spelt.

    Raises:
        RowError: neither.
    """
    text = str(value).strip().lower()
    text = text.removesuffix(".0") if isinstance(value, float) or text in ("0.0", "1.0") else text
    text = re.sub(r"[\s_-]", "", text) if not text.startswith("-") else text
    if text in MATCH:
        return 1
    if text in NO_MATCH:
        return 0
    raise RowError(f"label must be 0 or 1, not {shown(value)} (valid: {VALID_LABELS})")


@lru_cache(maxsize=64)
def layout_of(columns: tuple[str, ...]) -> Layout | None:
    """The layout of a flat table by its column names; None when no naming gives both sides a title."""
    parts = {column: _JOINTS.sub("_", _HUMP.sub("_", column.strip())).strip("_").lower() for column in columns}
    for names in NAMES:
        for before in (True, False):
            sides = [_side(parts, name, before) for name in names]
            if all(any(column_name(own) in COLUMNS["title"] for own in side.values()) for side in sides):
                return Layout(*sides)
    return None


def _side(parts: Mapping[str, str], name: str, before: bool) -> dict[str, str]:
    mark = f"{name}_" if before else f"_{name}"
    cut = str.removeprefix if before else str.removesuffix
    side = {column: cut(text, mark) for column, text in parts.items() if cut(text, mark) != text}
    # "title1" and "title2" carry no joint between name and number.
    if name in ("1", "2") and not before:
        side |= {column: text[:-1] for column, text in parts.items() if re.fullmatch(rf".*[a-z]{name}", text)}
    return side


def _found(columns: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    by_name = {column.strip().lower(): column for column in reversed(list(columns))}
    return next((by_name[name.lower()] for name in names if name.lower() in by_name), None)


def shown(value: Any) -> str:
    """A value as an error message shows it: cut, so that a description does not fill the screen."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
