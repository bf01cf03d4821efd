"""What a report has computed before: judgements by bundle and pair, and anything else by a key of its inputs.

A run that was stopped goes on where it was; a run with nothing new judges nothing. The folder ignores itself in git.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import orjson

from schemas.bundle import BundleManifest
from schemas.offer import Offer
from schemas.prompt import render_candidate, render_query
from schemas.rationale import ATTRIBUTES, VERDICTS, Answer, AttributeVerdict, Rationale
from worker.student.judge import Judge, Judgement


def digest_of(*parts: object) -> str:
    """SHA-256 (hex) over JSON of the parts."""
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def open_folder(folder: Path) -> Path:
    """The folder, made if need be, with a ``.gitignore`` that leaves it out of every commit."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    return folder


class Kept:
    """JSON values by name and key: a value of another key is computed again."""

    def __init__(self, folder: Path) -> None:
        self._folder = open_folder(folder)

    def get(self, name: str, key: str, compute: Callable[[], Any]) -> Any:
        """The value of ``name`` for this key, computed on first use."""
        path = self._folder / f"{name}.json"
        try:
            row = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            row = {}
        if row.get("key") == key:
            return row["value"]
        value = compute()
        beside = path.with_suffix(".new")
        beside.write_bytes(orjson.dumps({"key": key, "value": value}, option=orjson.OPT_SERIALIZE_NUMPY))
        beside.replace(path)
        return value


class CachedJudge:
    """A judge that never judges a pair twice: what it says is kept by bundle digest and by both rendered texts.

    ``judged`` and ``seconds`` count what the wrapped judge did, in this run and before it, for the speed that is
    reported; pairs that were only looked up count for neither.
    """

    def __init__(self, judge: Judge, folder: Path) -> None:
        self._judge = judge
        self._path = open_folder(folder) / f"judgements-{judge.manifest.digest()[:16]}.jsonl"
        self._known: dict[str, Judgement] = {}
        self.judged, self.seconds = 0, 0.0
        kept = self._path.read_bytes() if self._path.exists() else b""
        if kept and not kept.endswith(b"\n"):  # a run that was killed while it wrote
            with self._path.open("ab") as file:
                file.write(b"\n")
        for line in kept.splitlines():
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            self.seconds += row["seconds"]
            for key, *said in row["judgements"]:
                self._known[key] = _judgement(*said)
                self.judged += 1

    @property
    def manifest(self) -> BundleManifest:
        return self._judge.manifest

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        """One judgement a candidate, in order."""
        keys = [
            hashlib.sha256(f"{render_query(query)}\0{render_candidate(query, other)}".encode()).hexdigest()[:20]
            for other in candidates
        ]
        fresh = {key: other for key, other in zip(keys, candidates, strict=True) if key not in self._known}
        if fresh:
            started = time.perf_counter()
            found = self._judge.judge(query, list(fresh.values()))
            seconds = time.perf_counter() - started
            self._known.update(zip(fresh, found, strict=True))
            self.judged += len(fresh)
            self.seconds += seconds
            row = {"seconds": seconds, "judgements": [_row(key, self._known[key]) for key in fresh]}
            with self._path.open("ab") as file:
                file.write(orjson.dumps(row) + b"\n")
        return [self._known[key] for key in keys]

    def explain(self, query: Offer, candidate: Offer, judgement: Judgement, answer: Answer | None = None) -> Rationale:
        """The rationale with its sentence, written anew each time."""
        return self._judge.explain(query, candidate, judgement, answer)


def _row(key: str, judgement: Judgement) -> list[Any]:
    shares = [
        [item.p_same, item.p_different, item.p_unknown]
        for name in ATTRIBUTES
        if (item := judgement.attributes.get(name))
    ]
    return [key, judgement.logit, judgement.probability, shares, judgement.orders]


def _judgement(
    logit: float | None, probability: float | None, shares: list[list[float]], orders: Literal[1, 2]
) -> Judgement:
    attributes = {}
    for name, (same, different, unknown) in zip(ATTRIBUTES, shares, strict=False):
        best = max((same, different, unknown))
        verdict = VERDICTS[(same, different, unknown).index(best)]
        attributes[name] = AttributeVerdict(
            verdict=verdict, probability=best, p_same=same, p_different=different, p_unknown=unknown
        )
    missing = float("nan")  # JSON has no NaN: an unreadable answer was kept as null
    return Judgement(
        missing if logit is None else logit, missing if probability is None else probability, attributes, orders
    )
