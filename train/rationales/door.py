"""The one door by which a teacher's rationale enters training, whoever wrote it and however it was got.

A record is admitted for a pair with a label, or set aside and counted: when the teacher denies the label, when a match
has a ``different`` attribute, when the teacher contradicts itself. The pair then keeps its label and the verdicts
that are derived from it. Pure but for :func:`read_records` and :func:`write_records`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from pydantic import ValidationError

from schemas.grammar import is_grounded
from schemas.offer import Offer
from schemas.prompt import quotable
from train.pairs.pairs import Pair, PairFileError, read_rows
from train.rationales.records import RationaleRecord, content_digest
from train.rationales.verdicts import SentenceTarget, Targets


@dataclass
class ImportReport:
    """How many rationales were read, kept and set aside, and why."""

    read: int = 0
    kept: int = 0
    teacher_denies_label: int = 0
    contradictory: int = 0
    ungrounded_sentences: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)


def admit(record: RationaleRecord, left: Offer, right: Offer, label: int, report: ImportReport) -> Targets | None:
    """Targets of a pair from its record, or None when the record must be set aside; the report counts either.

    Args:
        record: what the teacher said of (``left``, ``right``), in this order.
        label: 1 same product, 0 not.
        report: is counted into.
    """
    report.read += 1
    if record.answer is not None and (record.answer == "same") != (label == 1):
        report.teacher_denies_label += 1
        return None
    sentence = record.sentence
    if sentence is not None and not grounded(sentence, left, right):
        report.ungrounded_sentences += 1
        sentence = None
    targets = Targets(dict(record.verdicts), sentence, record.provenance.teacher)
    if targets.contradicts(label):
        report.contradictory += 1
        return None
    report.kept += 1
    for name, verdict in targets.verdicts.items():
        key = f"{name}:{verdict}"
        report.verdicts[key] = report.verdicts.get(key, 0) + 1
    return targets


def grounded(sentence: SentenceTarget, left: Offer, right: Offer) -> bool:
    """Whether both quotes are ones that the serving grammar admits for these offers."""
    sides = ((left, sentence.quote_left), (right, sentence.quote_right))
    return all(is_grounded(quotable(offer), quote) for offer, quote in sides)


class RecordedRationales:
    """Records of several files, found again by the content of a pair's offers, in either order."""

    def __init__(self, records: Iterable[RationaleRecord] = ()) -> None:
        self._found: dict[frozenset[str], RationaleRecord] = {}
        for record in records:
            # The first file that speaks of a pair is the one the user put first.
            self._found.setdefault(frozenset((record.left.digest, record.right.digest)), record)

    @classmethod
    def read(cls, files: Sequence[Path]) -> RecordedRationales:
        """All records of these files. Raises PairFileError."""
        return cls(record for file in files for record in read_records(file))

    def __len__(self) -> int:
        return len(self._found)

    def targets(self, pair: Pair, report: ImportReport) -> Targets | None:
        """What the records say of this pair, admitted against its label; None where they say nothing of use."""
        if not self._found:
            return None
        left = content_digest(pair.left)
        record = self._found.get(frozenset((left, content_digest(pair.right))))
        if record is None:
            return None
        ordered = record if record.left.digest == left else record.swapped()
        return admit(ordered, pair.left, pair.right, pair.label, report)


def read_records(path: Path) -> list[RationaleRecord]:
    """The records of a JSON Lines file (gzipped or not). Raises PairFileError, naming file, record and field."""
    records: list[RationaleRecord] = []
    for number, row in enumerate(read_rows(path), 1):
        try:
            records.append(RationaleRecord.model_validate_json(orjson.dumps(row)))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PairFileError(f"{path}: record {number}: {where}: {first['msg']}") from error
    return records


def write_records(path: Path, records: Iterable[RationaleRecord]) -> None:
    """One record a line, written beside the path and moved there. Raises OSError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as out:
            for record in records:
                out.write(record.model_dump_json(exclude_none=True).encode() + b"\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
