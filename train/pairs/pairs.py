"""Labelled pairs, from the files of ``SAMESKU_DATA`` or the user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.columns import COLUMNS, offer_fields
from schemas.offer import Offer
from schemas.text import clean
from train.pairs.sides import RowError, read_label, shown, split_row
from train.pairs.tables import PairFileError as PairFileError
from train.pairs.tables import read_rows as read_rows
from train.pairs.tables import read_table

DEFAULT_DATA = Path("../shared/data")


@dataclass(frozen=True)
class Pair:
    """Two offers and whether they are the same product (``label`` 1) or not (0); ``meta`` never reaches a prompt."""

    pair_id: str
    left: Offer
    right: Offer
    label: int
    origin: str
    meta: dict[str, Any] = field(default_factory=dict)

    def title_key(self) -> tuple[str, str]:
        """Both clean titles in sorted order: the pair as it is recognised across files with other ids."""
        first, second = sorted((clean(self.left.title), clean(self.right.title)))
        return first, second

    def id_key(self) -> tuple[str, str]:
        """Both offer ids in sorted order."""
        first, second = sorted((self.left.offer_id, self.right.offer_id))
        return first, second


def data_root() -> Path:
    """The folder of research data: ``SAMESKU_DATA`` or ``../shared/data``."""
    return Path(os.environ.get("SAMESKU_DATA", str(DEFAULT_DATA)))


def read_pairs(path: Path, origin: str | None = None, *, label_column: str | None = None) -> list[Pair]:
    """All labelled pairs of a file of any format of :mod:`train.pairs.tables` and layout of :mod:`train.pairs.sides`.

    Offers without an id are named by the pair's number and side. Columns that are of no side become ``meta``, those of
    a ``meta`` record among them.

    Args:
        path: the file.
        origin: what the pairs are counted under; the file's name by default.
        label_column: the label's column where it has none of the usual names.

    Raises:
        PairFileError: the file is missing or broken, or a row lacks a side, a title or a label that can be read.
    """
    pairs: list[Pair] = []
    name = origin or path.name
    for number, row in read_table(path):
        identity = f"{name}-{len(pairs) + 1}"
        where = f"{path}: row {number}"
        try:
            sides = split_row(row, label_column)
            identity = sides.pair_id or identity
            where = f"{where}: pair {identity}"
            label = read_label(sides.label)
        except RowError as error:
            raise PairFileError(f"{where}: {error}") from error
        left, right = (
            _offer(record, side, f"{identity}-{side}", where)
            for record, side in ((sides.left, "left"), (sides.right, "right"))
        )
        stated = sides.rest.pop("meta", None)
        meta = {**sides.rest, **stated} if isinstance(stated, dict) else sides.rest
        pairs.append(Pair(identity, left, right, label, name, meta))
    return pairs


def _offer(record: Mapping[str, Any], side: str, name: str, where: str) -> Offer:
    fields = {"offer_id": name, **offer_fields(record, side)}
    try:
        return Offer.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        column = str(first["loc"][0])
        given = f", not {shown(fields[column])}" if column in fields else ""
        valid = f" (valid columns: {', '.join(COLUMNS[column])})" if column in COLUMNS and not given else ""
        raise PairFileError(f"{where}: {side}: column {column!r}: {first['msg']}{given}{valid}") from error
