"""Human labels: from a file of labelled pairs, or from `match.labels`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from schemas.events import UnknownMajorVersion
from schemas.label import Label
from schemas.offer import pair_id, split_pair
from worker.stream.records import Record

_MATCH = {"match": "match", "1": "match", "true": "match", "no_match": "no_match", "0": "no_match", "false": "no_match"}
# A file of labelled pairs has no times; what stands in it is older than any label of a person at work.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class BadLabels(ValueError):
    """The file cannot be used; the text names line and value."""


def read_labels(path: Path) -> list[Label]:
    """Labels of a CSV or JSON Lines file (by its name).

    A row names the pair by `pair_id`, or by `first` and `second` (offer keys in any order), and says `label` or
    `verdict`: match, no_match, 1, 0, true or false. `first_digest` and `second_digest` may bind it to contents.
    Raises BadLabels and OSError.
    """
    with path.open(encoding="utf-8", newline="") as lines:
        rows: Iterator[Mapping[str, Any]]
        rows = iter(csv.DictReader(lines)) if path.suffix == ".csv" else _json_lines(path, lines)
        return [_label(path, number, row) for number, row in enumerate(rows, 2 if path.suffix == ".csv" else 1)]


def labels_of(records: Iterable[Record]) -> Iterator[Label]:
    """The labels of people in records of `match.labels`; what this version cannot read is left out."""
    for record in records:
        try:
            label = Label.model_validate_json(record.value or b"")
        except (ValidationError, UnknownMajorVersion):
            continue
        # The teacher is no measure of a student: both are models, and wrong about the same pairs.
        if label.by == "person":
            yield label


def by_pair(labels: Iterable[Label]) -> dict[str, list[Label]]:
    """Labels by pair id, oldest first."""
    found: dict[str, list[Label]] = {}
    for label in sorted(labels, key=lambda each: each.labeled_at):
        found.setdefault(label.pair_id, []).append(label)
    return found


def _json_lines(path: Path, lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadLabels(f"{path}, line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise BadLabels(f"{path}, line {number}: not an object")
        yield row


def _label(path: Path, number: int, row: Mapping[str, Any]) -> Label:
    try:
        pair = str(row["pair_id"]) if row.get("pair_id") else pair_id(str(row["first"]), str(row["second"]))
        split_pair(pair)
    except (KeyError, ValueError) as error:
        raise BadLabels(f"{path}, line {number}: needs pair_id, or first and second: {error}") from error
    given = row.get("label") if row.get("label") is not None else row.get("verdict")
    verdict = _MATCH.get(str(given).strip().lower())
    if verdict is None:
        raise BadLabels(f"{path}, line {number}: label is {given!r}; valid: {', '.join(_MATCH)}")
    return Label.model_validate(
        {
            "label_id": str(row.get("label_id") or f"{path.name}:{number}"),
            "pair_id": pair,
            "first_digest": str(row.get("first_digest") or ""),
            "second_digest": str(row.get("second_digest") or ""),
            "verdict": verdict,
            "reviewer": str(row.get("reviewer") or path.name),
            "labeled_at": row.get("labeled_at") or _LONG_AGO,
        }
    )
