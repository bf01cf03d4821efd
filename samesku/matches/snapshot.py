"""A snapshot of the standing decisions, from which a new consumer starts without reading the whole log.

JSON Lines. The first line says what follows: `{"snapshot": "match.decisions", "topic": ..., "offsets": {"0": 17, ...},
"pairs": ..., "taken_at": ...}`; then the standing decision of each pair, sorted by pair id, as it is in the log. A
consumer reads it, seeks each partition to its offset and goes on with `supersedes`. Decisions that stand as `no_match`
and `retracted` are in it, too: without them an older match that arrives late would stand again.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from schemas.decision import MatchDecision
from schemas.events import dumps, format_time

SNAPSHOT = "match.decisions"
FORMAT_VERSION = "1.0"


@dataclass(frozen=True)
class Snapshot:
    """The standing decisions by pair, and the first offset of each partition that they do not know."""

    topic: str
    offsets: dict[int, int]
    decisions: dict[str, MatchDecision]


class NotASnapshot(ValueError):
    """The file is not a snapshot, or not a whole one."""


def write_snapshot(path: Path, snapshot: Snapshot, taken_at: datetime) -> None:
    """Write it beside the path and move it there, so that nobody reads half of one. Gzipped if the name ends in .gz.

    Raises OSError.
    """
    header = {
        "snapshot": SNAPSHOT,
        "format_version": FORMAT_VERSION,
        "topic": snapshot.topic,
        "offsets": {str(number): offset for number, offset in sorted(snapshot.offsets.items())},
        "pairs": len(snapshot.decisions),
        "taken_at": format_time(taken_at),
    }
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with gzip.open(temporary, "wb") if path.suffix == ".gz" else temporary.open("wb") as out:
            out.write(orjson.dumps(header) + b"\n")
            for pair in sorted(snapshot.decisions):
                out.write(dumps(snapshot.decisions[pair]) + b"\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_snapshot(path: Path) -> Snapshot:
    """The snapshot in a file. Raises NotASnapshot and OSError."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        header = _header(path, lines.readline())
        decisions = _decisions(path, lines)
    if len(decisions) != header["pairs"]:
        raise NotASnapshot(f"{path}: {len(decisions)} decisions, but its first line says {header['pairs']}")
    offsets = {int(number): int(offset) for number, offset in header["offsets"].items()}
    return Snapshot(str(header["topic"]), offsets, decisions)


def _header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        header = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise NotASnapshot(f"{path}: the first line is not JSON") from error
    if not isinstance(header, dict) or header.get("snapshot") != SNAPSHOT:
        raise NotASnapshot(f"{path}: the first line does not say that it is a snapshot of {SNAPSHOT}")
    if str(header.get("format_version", "")).split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise NotASnapshot(f"{path}: format_version {header.get('format_version')!r}; this code reads {FORMAT_VERSION}")
    return header


def _decisions(path: Path, lines: Iterable[bytes]) -> dict[str, MatchDecision]:
    try:
        found = (MatchDecision.model_validate_json(line) for line in lines)
        return {decision.pair_id: decision for decision in found}
    except ValueError as error:
        raise NotASnapshot(f"{path}: {error}") from error
