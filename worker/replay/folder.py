"""The folder of one run: `run.json` says what it is, `decisions/` holds what came of it, chunk by chunk.

Intent: a chunk file is named by what it covers (`000000400-000000800.jsonl.gz`: the pairs or changes with these
numbers) and appears at once and whole, so a killed run goes on at the first chunk that is missing. `manifest.json` and
`summary.json` come last. Equal input and bundle give equal lines in all but `VOLATILE`; `sha256_stable` says so in
one number. A folder of another run is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.answer import Answer
from schemas.decision import BundleRef, MatchDecision
from schemas.events import Event, Timestamp, dumps
from schemas.policy import Policy
from worker.replay.errors import WrongRequest

RUN_FILE, MANIFEST_FILE, SUMMARY_FILE = "run.json", "manifest.json", "summary.json"
DECISIONS_DIR, ANSWERS_DIR = "decisions", "answers"
FORMAT_VERSION = "1.0"
VOLATILE = frozenset({"decided_at", "timings"})
"""Fields of a decision in which two runs over the same input may differ."""

Mode = Literal["pairs", "events", "publish"]

_CHUNK = re.compile(r"(\d{9,})-(\d{9,})\.jsonl\.gz")


class Asked(BaseModel):
    """What determines a run. Another one in the same folder is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode
    begin: str
    end: str
    every: bool
    cluster: str
    """Full name of the topic of decisions: the prefix tells clusters apart."""
    bundle: BundleRef
    deployment: int
    policy: Policy
    pair_order: str
    chunk: int
    blocking: dict[str, Any] | None = None
    """Of events: what the index is made with, candidates and the size of a batch included."""


class Run(BaseModel):
    """`run.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: str = FORMAT_VERSION
    name: str
    asked: Asked
    bundle_path: str
    """As the caller named it."""
    prompt_version: str
    grammar_version: str
    created_at: Timestamp


class Folder:
    """See the module."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.decisions = path / DECISIONS_DIR

    @property
    def finished(self) -> bool:
        return (self.path / MANIFEST_FILE).is_file()

    def open(self, run: Run) -> Run:
        """Make the folder of this run, or find it and return the run as it began.

        Raises WrongRequest: the folder is another run's, or not a run's at all.
        """
        if (self.path / RUN_FILE).is_file():
            held = self.run()
            if different := differences(held.asked, run.asked):
                raise WrongRequest(
                    f"{self.path} is the folder of another replay; it differs in {'; '.join(different)}. Give another "
                    "--out, or ask for the same"
                )
            return held
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise WrongRequest(f"{self.path} exists and is no folder of a replay; give another --out")
        self.decisions.mkdir(parents=True, exist_ok=True)
        self._write(RUN_FILE, _pretty(run.model_dump(mode="json")))
        return run

    def run(self) -> Run:
        """What is written in `run.json`. Raises WrongRequest."""
        path = self.path / RUN_FILE
        try:
            return Run.model_validate_json(path.read_bytes())
        except OSError as error:
            raise WrongRequest(f"{self.path} is no folder of a replay: {RUN_FILE}: {error.strerror}") from error
        except ValidationError as error:
            raise WrongRequest(f"{path} is damaged or of another version: {error}") from error

    # Chunks

    def chunks(self) -> dict[tuple[int, int], Path]:
        """The chunk files that are there, by what they cover, in order."""
        found = {}
        for path in self.decisions.iterdir() if self.decisions.is_dir() else ():
            if (name := _CHUNK.fullmatch(path.name)) is not None:
                found[int(name[1]), int(name[2])] = path
        return dict(sorted(found.items()))

    def chunk(self, begin: int, end: int) -> Path:
        return self.decisions / f"{begin:09d}-{end:09d}.jsonl.gz"

    def write_chunk(
        self, begin: int, end: int, decisions: Iterable[MatchDecision], answers: Iterable[Answer] | None = None
    ) -> None:
        """One chunk, whole or not at all. Equal decisions give equal bytes."""
        target = self.chunk(begin, end)
        if answers is not None:
            # First, so that a chunk whose decisions are there is complete.
            folder = self.path / ANSWERS_DIR
            folder.mkdir(exist_ok=True)
            _replace(folder / target.name, _lines(answers))
        _replace(target, _lines(decisions))

    def read(self) -> Iterator[MatchDecision]:
        """Every decision of the run in its canonical order. Raises WrongRequest for a file that cannot be read."""
        for path in self.chunks().values():
            yield from read_chunk(path)

    # The end

    def finish(self, run: Run, inputs_sha256: str, items: int, summary: dict[str, Any]) -> dict[str, Any]:
        """Write summary and manifest; returns the manifest."""
        stable, count = hashlib.sha256(), 0
        files = {}
        for path in self.chunks().values():
            files[f"{DECISIONS_DIR}/{path.name}"] = {
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size,
            }  # fmt: skip
            for made in read_chunk(path):
                stable.update(stable_line(made))
                count += 1
        manifest = {
            "format_version": FORMAT_VERSION,
            "name": run.name,
            "inputs_sha256": inputs_sha256,
            "items": items,
            "decisions": count,
            "sha256_stable": stable.hexdigest(),
            "volatile": sorted(VOLATILE),
            "files": files,
        }
        self._write(SUMMARY_FILE, _pretty(summary))
        self._write(MANIFEST_FILE, _pretty(manifest))
        return manifest

    def manifest(self) -> dict[str, Any]:
        """Raises WrongRequest for a run that has not ended."""
        return self._json(MANIFEST_FILE)

    def summary(self) -> dict[str, Any]:
        """Raises WrongRequest for a run that has not ended."""
        return self._json(SUMMARY_FILE)

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            found: dict[str, Any] = orjson.loads(path.read_bytes())
        except OSError as error:
            raise WrongRequest(f"{self.path}: the replay has not ended: there is no {name}") from error
        except orjson.JSONDecodeError as error:
            raise WrongRequest(f"{path} is damaged: {error}") from error
        return found

    def _write(self, name: str, data: bytes) -> None:
        _replace(self.path / name, data)


def read_chunk(path: Path) -> Iterator[MatchDecision]:
    """The decisions of one file. Raises WrongRequest where it is damaged."""
    try:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                yield MatchDecision.model_validate_json(line)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise WrongRequest(f"{path} is damaged: {error}") from error


def stable_line(made: MatchDecision) -> bytes:
    """A decision's bytes without what may differ between two runs."""
    plain = made.model_dump(mode="json")
    return orjson.dumps(
        {name: value for name, value in plain.items() if name not in VOLATILE},
        option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE,
    )


def differences(held: Asked, asked: Asked) -> list[str]:
    """In words, what of two requests differs."""
    old, new = held.model_dump(mode="json"), asked.model_dump(mode="json")
    return [f"{name}: there {_short(old[name])}, asked {_short(new[name])}" for name in old if old[name] != new[name]]


def _short(value: object) -> str:
    if isinstance(value, dict) and "digest" in value:
        return f"{value['name']} {value['version']} ({value['digest'][:12]})"
    return orjson.dumps(value).decode()


def _lines(events: Iterable[Event]) -> bytes:
    packed = io.BytesIO()
    # Neither a name nor a time in the header: equal lines, equal bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as out:
        for event in events:
            out.write(dumps(event) + b"\n")
    return packed.getvalue()


def _pretty(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _replace(path: Path, data: bytes) -> None:
    """Write beside the path and move it there, so that nobody sees half of it, after a power cut either."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
