"""The rows of a catalogue file with their line numbers; a row that cannot be read is a row that says so.

JSON Lines (``.jsonl``, ``.ndjson``) and CSV with a header (``.csv``, ``.tsv``; the separator is found in the header),
plain or gzipped, UTF-8. Non-goal: what the columns mean (`schemas.columns`).
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

import orjson

from schemas.change import MAX_EVENT_BYTES
from schemas.events import Reason

Format = Literal["jsonl", "csv"]

SUFFIXES: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv"}
SEPARATORS = ",;\t|"


class UnknownFormat(ValueError):
    """The file's name does not say how to read it."""


@dataclass(frozen=True)
class Row:
    """One row: `record` if it could be read, else `problem`, a reason and a line for people. `text` is the row."""

    line: int
    text: str
    record: dict[str, Any] | None = None
    problem: tuple[Reason, str] | None = None


def file_format(path: Path) -> Format:
    """How to read the file, by its name. Raises UnknownFormat."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    if not suffixes or suffixes[-1] not in SUFFIXES:
        raise UnknownFormat(f"{path.name}: need one of {', '.join(SUFFIXES)} (or these with .gz), or --format")
    return SUFFIXES[suffixes[-1]]


def read_rows(path: Path, form: Format | None = None) -> Iterator[Row]:
    """Every row but blank ones. Raises UnknownFormat, and OSError (a damaged gzip file, too) or EOFError."""
    form = form or file_format(path)
    with _open(path) as lines:
        yield from _json_rows(lines) if form == "jsonl" else _csv_rows(lines)


def _open(path: Path) -> IO[bytes]:
    # By content, not by name: a gzipped file without the suffix is common, and cheap to notice.
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb")) if zipped else path.open("rb")


def _json_rows(lines: IO[bytes]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            continue
        text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield Row(number, text, problem=(_why(line), str(error)))
            continue
        if isinstance(record, dict):
            yield Row(number, text, record)
        else:
            yield Row(number, text, problem=(Reason.NOT_AN_OBJECT, "the line is no JSON object"))


def _why(line: bytes) -> Reason:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return Reason.NOT_UTF8
    return Reason.NOT_JSON


def _csv_rows(lines: IO[bytes]) -> Iterator[Row]:
    # Undecodable bytes become surrogates, so that one bad row does not end the file.
    with io.TextIOWrapper(lines, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        header_line = text.readline()
        if header_line.strip():
            yield from _cells(text, header_line)


def _cells(text: io.TextIOWrapper, header_line: str) -> Iterator[Row]:
    separator = max(SEPARATORS, key=header_line.count)
    header = next(csv.reader([header_line], delimiter=separator))
    # The default of 128 KiB would refuse descriptions that the event can carry.
    csv.field_size_limit(MAX_EVENT_BYTES)
    reader = csv.reader(text, delimiter=separator)
    while True:
        line = reader.line_num + 2
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, "", problem=(Reason.BAD_VALUE, str(error)))
            continue
        if any(cell.strip() for cell in cells):
            yield _csv_row(line, header, cells, separator)


def _csv_row(line: int, header: list[str], cells: list[str], separator: str) -> Row:
    text = separator.join(cells)
    if any("\udc80" <= char <= "\udcff" for char in text):
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return Row(line, shown, problem=(Reason.NOT_UTF8, "the row is not UTF-8"))
    if len(cells) > len(header):
        return Row(line, text, problem=(Reason.BAD_VALUE, f"{len(cells)} cells for {len(header)} columns"))
    return Row(line, text, dict(zip(header, cells, strict=False)))
