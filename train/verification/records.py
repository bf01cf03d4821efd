"""The records of human verification: a teacher's claim, the task drawn from it, and a person's check.

A task is a line of JSON; with ``reviewer``, ``verdict`` and perhaps ``attributes`` filled in it is a check. One task
may have several checks, one a reviewer. Teachers' sets are read forgivingly: a rationale record
(:class:`train.rationales.records.RationaleRecord`) or any row with a pair id and an answer, with the columns that
planning can use where they are present.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.columns import offer_from_record
from schemas.label import Label
from schemas.rationale import ATTRIBUTES, VERDICTS, Answer, Attribute, Verdict
from train.pairs.pairs import read_rows

HumanVerdict = Literal["match", "no_match", "unsure"]
Share = Annotated[float, Field(gt=0, le=1)]
Model = TypeVar("Model", bound=BaseModel)
ANSWERS: Mapping[object, Answer] = {
    "same": "same", "match": "same", "1": "same", "true": "same",
    "different": "different", "no_match": "different", "non_match": "different", "0": "different", "false": "different",
}  # fmt: skip


class VerificationFileError(ValueError):
    """A file of claims, tasks, checks or labels that cannot be used; the message names file, record and field."""


class Claim(BaseModel):
    """What a teacher says of one pair, and what tells how much a check of it is worth. Absent columns are None."""

    model_config = ConfigDict(frozen=True)

    pair_id: str
    answer: Answer | None
    verdicts: dict[Attribute, Verdict] = Field(default_factory=dict)
    source: str = Field(default="unknown", description="where the pair comes from, else which teacher spoke")
    confidence: float | None = Field(default=None, description="the teacher's probability of its own answer")
    student_probability: float | None = Field(default=None, description="the student's probability of a match")
    price: float | None = None
    traffic: float | None = None
    change_rate: float | None = None
    left: dict[str, Any] | None = None
    right: dict[str, Any] | None = None


class Task(BaseModel):
    """One pair that a person should look at, with all that an estimate needs to know of how it was drawn.

    ``inclusion_probability`` is exact for the whole design, before anything was drawn; ``uniform_probability`` is that
    of the uniform share alone. ``stratum_drawn`` of ``stratum_size`` rows were drawn: given these numbers each row of
    the stratum was as likely as any other.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    format_version: Literal["1.0"] = "1.0"
    task_id: str
    pair_id: str
    set_name: str
    set_digest: str = Field(description="SHA-256 of all claims of the set that was drawn from")
    set_size: int = Field(ge=1)
    share: Literal["uniform", "targeted"]
    stratum: str
    stratum_size: int = Field(ge=1)
    stratum_drawn: int = Field(ge=1)
    inclusion_probability: Share
    uniform_probability: float = Field(ge=0, le=1)
    seed: int
    answer: Answer | None = Field(
        default=None, description="the teacher's; the reviewer should not see it before answering"
    )
    verdicts: dict[Attribute, Verdict] = Field(default_factory=dict)
    left: dict[str, Any] | None = None
    right: dict[str, Any] | None = None


class Check(Task):
    """A task that a person has looked at. ``attributes`` holds what was judged; those left out are unjudged."""

    reviewer: str = Field(min_length=1)
    verdict: HumanVerdict
    attributes: dict[Attribute, Verdict] = Field(default_factory=dict)


def read_claims(path: Path) -> list[Claim]:
    """The claims of a teacher's set, JSON Lines, gzipped or not.

    Raises:
        VerificationFileError: a row without pair id, with an answer or verdict that is none, or a pair twice.
        PairFileError: the file is missing or no JSON Lines.
    """
    claims: dict[str, Claim] = {}
    for number, row in enumerate(read_rows(path), 1):
        where = f"{path}: record {number}"
        claim = claim_of(row, where)
        if claim.pair_id in claims:
            raise VerificationFileError(f"{where}: pair_id {claim.pair_id!r} is there twice: one claim a pair")
        claims[claim.pair_id] = claim
    if not claims:
        raise VerificationFileError(f"{path} holds no claim")
    return list(claims.values())


def claim_of(row: Mapping[str, Any], where: str) -> Claim:
    """One row as a claim; ``where`` names it in errors. Raises VerificationFileError."""
    identity = row.get("pair_id")
    if not identity:
        raise VerificationFileError(f"{where}: no pair_id")
    rationale = row["rationale"] if isinstance(row.get("rationale"), dict) else {}
    candidates = (*(row.get(name) for name in ("answer", "teacher_answer", "teacher_label")), rationale.get("answer"))
    stated = next((value for value in candidates if value is not None), None)
    answer = None if stated is None else ANSWERS.get(str(stated).lower())
    if stated is not None and answer is None:
        raise VerificationFileError(f"{where}: answer {stated!r}; valid: {', '.join(sorted(map(str, ANSWERS)))}")
    provenance = row["provenance"] if isinstance(row.get("provenance"), dict) else {}
    left, right = (row[side] if isinstance(row.get(side), dict) else None for side in ("left", "right"))
    return Claim(
        pair_id=str(identity),
        answer=answer,
        verdicts=_verdicts(row.get("verdicts") or rationale.get("attributes") or {}, where),
        source=str(
            row.get("source") or row.get("origin") or provenance.get("teacher") or row.get("teacher") or "unknown"
        ),
        confidence=_number(row.get("confidence", row.get("probability"))),
        student_probability=_number(row.get("student_probability")),
        price=_number(row.get("price")) if row.get("price") is not None else price_of(left, right),
        traffic=_number(row.get("traffic")),
        change_rate=_number(row.get("change_rate")),
        left=left,
        right=right,
    )


def _verdicts(given: Mapping[str, Any], where: str) -> dict[Attribute, Verdict]:
    found: dict[Attribute, Verdict] = {}
    for name in ATTRIBUTES:
        stated = given.get(name)
        value = stated.get("verdict") if isinstance(stated, dict) else stated
        if value is None:
            continue
        if value not in VERDICTS:
            raise VerificationFileError(f"{where}: {name} is {value!r}; valid: {', '.join(VERDICTS)}")
        found[name] = value
    return found


def _number(value: object) -> float | None:
    """A finite number, or None: a column that cannot be read only makes the plan a little less pointed."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def price_of(*sides: Mapping[str, Any] | None) -> float | None:
    """The higher price of a pair's listings, read as a catalogue's would be; None where neither states one."""
    found = []
    for side in sides:
        if side and "title" in side:
            try:
                price = _number(str(offer_from_record({"id": "x", **side}, "x").price))
            except ValidationError:
                continue
            found += [] if price is None else [price]
    return max(found, default=None)


def enriched(
    claims: Sequence[Claim], probabilities: Mapping[str, float], pairs: Mapping[str, Mapping[str, Any]]
) -> list[Claim]:
    """Claims with what other files say of their pairs, by pair id; what a claim states itself stands.

    Args:
        claims: a teacher's set.
        probabilities: the student's, of a match.
        pairs: rows of a pair file, for the listings and their price.
    """
    found = []
    for claim in claims:
        row = pairs.get(claim.pair_id, {})
        sides = {side: row.get(side) for side in ("left", "right")}
        known: dict[str, Any] = {
            "student_probability": probabilities.get(claim.pair_id),
            "price": price_of(*sides.values()),
        }
        # A teacher's record names its listings by id and digest; the pair file has their text.
        listings = {side: value for side, value in sides.items() if isinstance(value, dict)}
        absent = {name: value for name, value in known.items() if getattr(claim, name) is None}
        found.append(claim.model_copy(update=absent | listings))
    return found


def set_digest(claims: Iterable[Claim]) -> str:
    """SHA-256 (hex) of what a set claims, whatever the order of its rows: pair ids, answers and verdicts."""
    lines = sorted(orjson.dumps([c.pair_id, c.answer, c.verdicts], option=orjson.OPT_SORT_KEYS) for c in claims)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def read_tasks(path: Path) -> list[Task]:
    """Tasks as :func:`write_lines` wrote them. Raises VerificationFileError and PairFileError."""
    return [_validated(Task, row, f"{path}: record {number}") for number, row in enumerate(read_rows(path), 1)]


def read_checks(path: Path) -> list[Check]:
    """The tasks of a file that have a verdict; those without one are still to do and left out.

    Raises:
        VerificationFileError: a row is no check, the same reviewer judged a task twice, or nothing is checked.
        PairFileError: the file is missing or no JSON Lines.
    """
    rows = [(number, row) for number, row in enumerate(read_rows(path), 1) if row.get("verdict") is not None]
    checks = [_validated(Check, row, f"{path}: record {number}") for number, row in rows]
    if not checks:
        raise VerificationFileError(f"{path}: no record has a 'verdict': nothing is checked yet")
    seen: set[tuple[str, str]] = set()
    for check in checks:
        if (check.task_id, check.reviewer) in seen:
            raise VerificationFileError(f"{path}: pair {check.pair_id}: reviewer {check.reviewer!r} is there twice")
        seen.add((check.task_id, check.reviewer))
    return checks


def read_labels(path: Path) -> list[Label]:
    """Labels as `match.labels` carries them. Raises VerificationFileError and PairFileError."""
    return [_validated(Label, row, f"{path}: record {number}") for number, row in enumerate(read_rows(path), 1)]


def collect(tasks: Sequence[Task], labels: Iterable[Label]) -> tuple[list[Check], int]:
    """Labels joined to the tasks they answer, and how many belong to none of them.

    A reviewer's later label of a pair replaces the earlier. Labels of pairs that were not drawn say nothing about the
    set: how they were chosen is not known, and they are only counted.
    """
    drawn = {task.pair_id: task for task in tasks}
    latest: dict[tuple[str, str], Label] = {}
    foreign = 0
    for label in labels:
        if label.pair_id not in drawn:
            foreign += 1
            continue
        key = label.pair_id, label.reviewer
        if key not in latest or latest[key].labeled_at <= label.labeled_at:
            latest[key] = label
    checks = [
        Check(
            **drawn[pair].model_dump(),
            reviewer=reviewer,
            verdict=label.verdict,
            attributes={name: label.attributes[name] for name in ATTRIBUTES if name in label.attributes},
        )
        for (pair, reviewer), label in latest.items()
    ]
    return checks, foreign


def write_lines(path: Path, records: Iterable[BaseModel]) -> None:
    """One record a line. Raises OSError."""
    path.write_bytes(b"".join(record.model_dump_json(exclude_none=True).encode() + b"\n" for record in records))


def _validated(model: type[Model], row: Mapping[str, Any], where: str) -> Model:
    try:
        return model.model_validate_json(orjson.dumps(row))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise VerificationFileError(f"{where}: {key}: {first['msg']}") from error
