"""The file of an incident: pairs that somebody says are decided wrongly.

JSON Lines or CSV. A row names its pair by `pair_id`, or by the offers' keys `offer_a` and `offer_b`; what else it says
(`expected`, `reported_by`, `note`) is kept for the report.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from schemas.offer import pair_id, split_pair
from worker.incidents.errors import IncidentError

COLUMNS = ("pair_id", "offer_a", "offer_b", "expected", "reported_by", "note")
EXPECTED = ("match", "no_match")


@dataclass(frozen=True)
class Report:
    """One pair reported wrong; `expected` is the verdict that the reporter says is right, if they say one."""

    pair_id: str
    expected: str | None = None
    reported_by: str | None = None
    note: str | None = None


def read_reports(path: Path) -> list[Report]:
    """The reports of a file, the first of each pair, in their order.

    Raises IncidentError that names file, line and what would be valid.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise IncidentError(f"{path} cannot be read: {error}") from error
    rows = _csv(path, text) if path.suffix.lower() == ".csv" else _json_lines(path, text)
    found: dict[str, Report] = {}
    for line, row in rows:
        report = _report(path, line, row)
        found.setdefault(report.pair_id, report)
    if not found:
        raise IncidentError(f"{path} reports no pair; a row names {' or '.join(('pair_id', 'offer_a and offer_b'))}")
    return list(found.values())


def _csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    unknown = sorted(set(reader.fieldnames or ()) - set(COLUMNS))
    if unknown:
        raise IncidentError(f"{path}: unknown columns {', '.join(unknown)}; valid: {', '.join(COLUMNS)}")
    for row in reader:
        yield reader.line_num, {name: value for name, value in row.items() if value}


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, content in enumerate(text.splitlines(), 1):
        if not content.strip():
            continue
        try:
            row = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise IncidentError(f"{path}, line {line}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise IncidentError(f"{path}, line {line}: expected an object with {', '.join(COLUMNS)}")
        yield line, row


def _report(path: Path, line: int, row: dict[str, Any]) -> Report:
    where = f"{path}, line {line}"
    given = {name: row.get(name) for name in COLUMNS}
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise IncidentError(f"{where}: {name} = {value!r} is no text")
    if given["expected"] is not None and given["expected"] not in EXPECTED:
        raise IncidentError(f"{where}: expected = {given['expected']!r}; valid: {', '.join(EXPECTED)}")
    if given["pair_id"]:
        try:
            pair = pair_id(*split_pair(given["pair_id"]))
        except ValueError as error:
            raise IncidentError(f"{where}: pair_id = {given['pair_id']!r}: {error}") from error
    elif given["offer_a"] and given["offer_b"]:
        try:
            pair = pair_id(given["offer_a"], given["offer_b"])
        except ValueError as error:
            raise IncidentError(f"{where}: {error}") from error
    else:
        raise IncidentError(f"{where}: names no pair; give pair_id, or offer_a and offer_b")
    return Report(pair, given["expected"], given["reported_by"], given["note"])
