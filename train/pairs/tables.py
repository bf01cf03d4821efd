"""Rows of a table file with their numbers: JSON Lines, CSV or Parquet, found by the file's name.

JSON Lines (``.jsonl``, ``.ndjson``, ``.json``) and CSV with a header (``.csv``, ``.tsv``; the separator is found in the
header) are UTF-8, plain or gzipped. Non-goal: what the columns mean (:mod:`train.pairs.sides`).
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import orjson

SEPARATORS = ",;\t|"
# A description may be longer than what the csv module takes for a field by default.
MAX_CELL_CHARS = 10_000_000
PARQUET_BATCH = 4_096

Numbered = Iterator[tuple[int, dict[str, Any]]]


class PairFileError(Exception):
    """A pair file that cannot be read; the message names file, row, column and value, and what would be valid."""


def read_table(path: Path) -> Numbered:
    """Each row that is not blank, with its number: the line in a text file (of its end in CSV), the place in Parquet.

    Raises:
        PairFileError: the file is missing or damaged, its name says no known format, or a row cannot be read.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    reader = _FORMATS.get(suffixes[-1] if suffixes else "")
    if reader is None:
        raise PairFileError(
            f"{path}: the name does not say the format (valid: {', '.join(_FORMATS)}; text also with .gz)"
        )
    try:
        yield from reader(path)
    except (OSError, EOFError, zlib.error) as error:  # the latter two: a gzip file that was cut or damaged
        raise PairFileError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON Lines file, gzipped or not, whatever its name.

    Raises:
        PairFileError: the file is missing or a line is not a JSON object.
    """
    try:
        for _, row in _json_rows(path):
            yield row
    except (OSError, EOFError, zlib.error) as error:
        raise PairFileError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _open(path: Path) -> IO[bytes]:
    # By content, not by name: a gzipped file without the suffix is common, and cheap to notice.
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb")) if zipped else path.open("rb")


def _json_rows(path: Path) -> Numbered:
    with _open(path) as lines:
        for number, line in enumerate(lines, 1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not text.strip():
                continue
            try:
                row = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise PairFileError(f"{path}:{number}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise PairFileError(f"{path}:{number}: not a JSON object")
            yield number, row


def _csv_rows(path: Path) -> Numbered:
    csv.field_size_limit(MAX_CELL_CHARS)
    with _open(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        try:
            first = text.readline()
            separator = max(SEPARATORS, key=first.count)
            header = next(csv.reader([first], delimiter=separator), [])
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                raise PairFileError(f"{path}:1: two columns are called {twice[0]!r}")
            reader = csv.reader(text, delimiter=separator, strict=True)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                number = reader.line_num + 1
                if len(cells) != len(header):
                    raise PairFileError(f"{path}:{number}: {len(cells)} cells for {len(header)} columns")
                yield number, dict(zip(header, cells, strict=True))
        except UnicodeDecodeError as error:
            raise PairFileError(f"{path}: after line {reader.line_num + 1}: not UTF-8 ({error})") from error
        except csv.Error as error:
            raise PairFileError(f"{path}:{reader.line_num + 1}: not CSV ({error})") from error


def _parquet_rows(path: Path) -> Numbered:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with path.open("rb") as raw, ParquetFile(raw) as table:
            number = 0
            for batch in table.iter_batches(PARQUET_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except ArrowException as error:
        raise PairFileError(f"{path}: not Parquet ({error})") from error


_FORMATS: dict[str, Callable[[Path], Numbered]] = {
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".json": _json_rows,
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".parquet": _parquet_rows,
    ".pq": _parquet_rows,
}
