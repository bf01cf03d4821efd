"""Labelled pairs from the files of ``SAMESKU_DATA``, whatever their attribute names.

A file is JSON Lines (optionally gzipped), one ``{"pair_id", "left", "right", "label"}`` a line.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from schemas.columns import offer_fields
from schemas.offer import Offer
from schemas.text import clean

DEFAULT_DATA = Path("../shared/data")


class PairFileError(Exception):
    """A pair file that cannot be read; the message names file and line."""


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


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON Lines file, gzipped or not.

    Raises:
        PairFileError: the file is missing or a line is not a JSON object.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise PairFileError(f"{path}:{number}: not JSON ({error})") from error
                if not isinstance(row, dict):
                    raise PairFileError(f"{path}:{number}: not a JSON object")
                yield row
    except (OSError, EOFError, zlib.error) as error:  # the latter two: a gzip file that was cut or damaged
        raise PairFileError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def read_pairs(path: Path, origin: str | None = None) -> list[Pair]:
    """All labelled pairs of a file. Offers without an id are named by the pair's number and side.

    Raises:
        PairFileError: the file is missing, or a row lacks a side, a title or a label of 0 or 1.
    """
    pairs: list[Pair] = []
    name = origin or path.name
    for number, row in enumerate(read_rows(path), 1):
        identity = str(row.get("pair_id") or f"{name}-{number}")
        sides = []
        for side in ("left", "right"):
            record = row.get(side)
            if not isinstance(record, dict):
                raise PairFileError(f"{path}: pair {identity}: no {side!r} object")
            try:
                sides.append(Offer.model_validate({"offer_id": f"{identity}-{side}", **offer_fields(record, side)}))
            except ValidationError as error:
                raise PairFileError(f"{path}: pair {identity}: {side}: {error.errors()[0]['msg']}") from error
        label = row.get("label")
        if label not in (0, 1):
            raise PairFileError(f"{path}: pair {identity}: label must be 0 or 1, not {label!r}")
        meta = row.get("meta")
        pairs.append(Pair(identity, sides[0], sides[1], int(label), name, meta if isinstance(meta, dict) else {}))
    return pairs
