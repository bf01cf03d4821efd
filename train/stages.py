"""Stages of a release: command lines that are run in their order, each only when something that it reads has changed.

What a stage read (by digest) and wrote (by digest) is kept in the run's ``release.json``; a stage whose record still
holds is skipped, so that a release that was stopped goes on where it was, and one with another calibration trains
nothing. The code is not among what is read: after a change of it, delete what a stage wrote.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

RECORD = "release.json"
Say = Callable[[str], None]


class StageError(Exception):
    """A stage's command failed, or did not write what it should; the message names the command."""


@dataclass(frozen=True)
class Stage:
    """One step of a release.

    Attributes:
        name: unique in its release.
        command: the command line; a list that begins with the program.
        reads: files and folders whose bytes the outcome depends on; a folder stands for all files below it.
        writes: files that must be there afterwards.
        values: what else the outcome depends on.
    """

    name: str
    command: Sequence[str]
    reads: Sequence[Path] = ()
    writes: Sequence[Path] = ()
    values: Sequence[str] = field(default=())


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 over names and bytes of files, in sorted order; folders stand for all files below them.

    A name counts as it is below its own folder, so that the same files at another place have the same digest.
    """
    found = hashlib.sha256()
    for path in paths:
        files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
        for file in files:
            name = file.relative_to(path) if path.is_dir() else Path(file.name)
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            found.update(f"{name}\0{content}\n".encode())
    return found.hexdigest()


def run_stages(stages: Sequence[Stage], run: Path, say: Say = lambda text: None) -> list[str]:
    """Run the stages that must be run; returns the names of those that were.

    Raises:
        StageError: a command ended with another code than 0, or one of its files is missing afterwards.
    """
    run.mkdir(parents=True, exist_ok=True)
    record = read_record(run)
    done: list[str] = []
    for stage in stages:
        missing = [path for path in stage.reads if not path.exists()]
        if missing:
            raise StageError(f"{stage.name}: {missing[0]} is missing")
        reads = hashlib.sha256(orjson.dumps([digest(stage.reads), list(stage.values)])).hexdigest()
        if _holds(record.get(stage.name), reads, stage.writes):
            say(f"{stage.name}: stands already")
            continue
        say(f"{stage.name}: {' '.join(stage.command)}")
        code = subprocess.run(stage.command, check=False).returncode
        missing = [path for path in stage.writes if not path.exists()]
        if code or missing:
            what = f"ended with code {code}" if code else f"left no {missing[0]}"
            raise StageError(f"{stage.name} {what}: {' '.join(stage.command)}")
        record[stage.name] = {"reads": reads, "writes": digest(stage.writes)}
        write_record(run, record)
        done.append(stage.name)
    return done


def _holds(known: Any, reads: str, writes: Sequence[Path]) -> bool:
    return (
        isinstance(known, dict)
        and known.get("reads") == reads
        and all(path.exists() for path in writes)
        and known.get("writes") == digest(writes)
    )


def read_record(run: Path) -> dict[str, Any]:
    """What is known of the stages of a run; empty where there is no readable record: then all stages run."""
    try:
        found = orjson.loads((run / RECORD).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def write_record(run: Path, record: dict[str, Any]) -> None:
    """Keep the record; the file is whole at any time."""
    part = run / f".{RECORD}.part"
    part.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    os.replace(part, run / RECORD)
