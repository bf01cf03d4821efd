"""Imported teacher rationales: free attribute names normalised into the five, provenance kept.

The teachers (GPT-4o, GPT-4o-mini) saw titles only and were told the label. A value ``missing`` becomes ``unknown``;
a similarity at or above ``SAME_FROM`` is ``same``, at or below ``DIFFERENT_TO`` is ``different``, and between the two
nothing is claimed. A rationale that contradicts the label, or the rule that a match has no different attribute, is set
aside: the pair keeps its label and its derived verdicts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.columns import offer_from_record
from schemas.grammar import MAX_QUOTE_CHARS, is_grounded
from schemas.offer import Offer
from schemas.prompt import quotable
from schemas.rationale import ATTRIBUTES, VERDICTS, Attribute, Verdict
from schemas.text import clean
from train.pairs.pairs import PairFileError, data_root, read_rows
from train.rationales.door import ImportReport as ImportReport
from train.rationales.door import admit
from train.rationales.records import OfferRef, Provenance, RationaleRecord
from train.rationales.verdicts import SentenceTarget, Targets

SAME_FROM = 0.8
DIFFERENT_TO = 0.3
EXPLANATIONS = "explanations/wdc80cc_train_small_and_valid_small.jsonl.gz"
STYLE = "structured_attr_importance_similarity"

# The first rule that matches a teacher's attribute name wins; what no rule names is a specification.
_RULES: tuple[tuple[Attribute | None, re.Pattern[str]], ...] = (
    (
        None,
        re.compile(
            r"price|currency|compatib|usage|target|audience|seller|warranty|availab|condition"
            r"|^description$|^title$|features?$"
        ),
    ),
    ("brand", re.compile(r"\bbrand\b|manufacturer|maker|vendor|\bteam\b")),
    ("quantity", re.compile(r"quantity|pack|count$|number of (?:pieces|items|units)|pieces|bundle|prints|sheets|set$")),
    (
        "variant",
        re.compile(
            r"colou?r|edition|version|style|gender|region|language|variant|generation|finish"
            r"|^material|flavou?r|scent|design|year|band|strap|^size$"
        ),
    ),
    (
        "product",
        re.compile(
            r"model|product|series|\btype\b|part|sku|code|reference|collection|^name|category|application"
            r"|mpn|identifier|line$|technology|form factor"
        ),
    ),
)
_ABSENT = {
    "",
    "missing",
    "none",
    "n/a",
    "not specified",
    "unknown",
    "not mentioned",
    "unspecified",
    "null",
    "not applicable",
}


def attribute_of(name: str) -> Attribute | None:
    """Which of the five attributes a teacher's attribute name means; None for what does not tell products apart."""
    lowered = name.strip().lower()
    for attribute, rule in _RULES:
        if rule.search(lowered):
            return attribute
    return "specification"


def _verdict(item: dict[str, Any]) -> Verdict | None:
    if any(str(item.get(side) or "").strip().lower() in _ABSENT for side in ("left", "right")):
        return "unknown"
    similarity = item.get("similarity")
    if not isinstance(similarity, int | float):
        return None
    if similarity >= SAME_FROM:
        return "same"
    return "different" if similarity <= DIFFERENT_TO else None


def _combine(verdicts: list[Verdict | None]) -> Verdict | None:
    """One verdict of several teacher attributes: any difference decides, doubt masks, else what was seen to agree."""
    if "different" in verdicts:
        return "different"
    if None in verdicts:
        return None
    return "same" if "same" in verdicts else "unknown"


def normalise(attributes: list[dict[str, Any]], label: int, left: Offer, right: Offer, teacher: str) -> Targets:
    """One structured rationale in the five attributes, with the quotes of its weightiest deciding attribute."""
    grouped: dict[Attribute, list[dict[str, Any]]] = {}
    for item in attributes:
        if (name := attribute_of(str(item.get("attribute", "")))) is not None:
            grouped.setdefault(name, []).append(item)
    verdicts = {
        name: verdict for name, items in grouped.items() if (verdict := _combine([_verdict(item) for item in items]))
    }
    wanted: Verdict = "same" if label == 1 else "different"
    texts = quotable(left), quotable(right)
    best: tuple[float, SentenceTarget] | None = None
    for name, items in grouped.items():
        if verdicts.get(name) != wanted or (wanted == "same" and name == "brand"):
            continue
        for item in items:
            quotes = clean(str(item.get("left"))), clean(str(item.get("right")))
            weight = float(item.get("importance") or 0)
            if _verdict(item) == wanted and (best is None or weight > best[0]) and _quotable(texts, quotes):
                best = weight, SentenceTarget(name, quotes[0], quotes[1])
    return Targets(verdicts, best[1] if best else None, teacher)


def _quotable(texts: tuple[str, str], quotes: tuple[str, str]) -> bool:
    return all(
        len(quote) <= MAX_QUOTE_CHARS and is_grounded(text, quote) for text, quote in zip(texts, quotes, strict=True)
    )


def imported_rows(
    root: Path | None = None, teachers: tuple[str, ...] = ("gpt-4o", "gpt-4o-mini-2024-07-18")
) -> list[dict[str, Any]]:
    """Structured rationale rows of the given teachers (GPT-4o on train_small, GPT-4o-mini on valid_small)."""
    path = (root or data_root()) / EXPLANATIONS
    return [row for row in read_rows(path) if row.get("style") == STYLE and row.get("teacher") in teachers]


def record_of(row: dict[str, Any], left: Offer, right: Offer) -> RationaleRecord:
    """One structured row in the common form; ``left`` and ``right`` are the offers, in the row's order.

    ``teacher_answer`` is what the teacher said; rows that lack it follow the label that their prompt revealed.
    """
    label = int(row["label"])
    told = row.get("teacher_answer")
    said = int(told) if told in (0, 1) else (1 - label if row.get("teacher_agrees_with_label") is False else label)
    attributes = list(row.get("attributes") or [])
    targets = normalise(attributes, said, left, right, str(row["teacher"]))
    return RationaleRecord(
        pair_id=str(row.get("pair_id") or f"{left.offer_id}#{right.offer_id}"),
        left=OfferRef.of(left),
        right=OfferRef.of(right),
        verdicts=targets.verdicts,
        answer="same" if said == 1 else "different",
        sentence=targets.sentence,
        explanation=str(row.get("explanation") or ""),
        provenance=Provenance(
            teacher=targets.source,
            prompt_version=str(row.get("style") or "unknown"),
            # Never assumed of a row that does not say: a teacher that knew the label cannot judge the student.
            prompt_revealed_label=row.get("prompt_revealed_label") is not False,
            source=str(row.get("source") or "imported"),
            fields_shown=tuple(str(name) for name in row.get("teacher_fields_shown") or ()),
        ),
    )


def import_row(row: dict[str, Any], left: Offer, right: Offer, report: ImportReport) -> Targets | None:
    """Targets of one row, or None when the rationale must be set aside; the report counts either."""
    return admit(record_of(row, left, right), left, right, int(row["label"]), report)


@dataclass
class ImportedFile:
    """A file of other people's rationales: the records of use, and those set aside, each with its reason."""

    records: list[RationaleRecord] = field(default_factory=list)
    aside: list[tuple[str, RationaleRecord]] = field(default_factory=list)
    report: ImportReport = field(default_factory=ImportReport)
    unstructured: int = 0
    without_offers: int = 0
    other_teachers: int = 0

    def lines(self) -> list[str]:
        """What was found, for a person."""
        report = self.report
        lines = [
            f"{report.read} structured rationales read: {len(self.records)} kept, {len(self.aside)} set aside"
            f" ({report.teacher_denies_label} deny the label, {report.contradictory} contradict it)"
        ]
        if passed := self.unstructured + self.without_offers + self.other_teachers:
            lines.append(
                f"{passed} rows passed over: {self.unstructured} of another style, {self.without_offers} without both"
                f" offers, {self.other_teachers} of other teachers"
            )
        for name in ATTRIBUTES:
            counts = {verdict: report.verdicts.get(f"{name}:{verdict}", 0) for verdict in VERDICTS}
            lines.append(f"{name}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
        return lines


def import_file(path: Path, teachers: tuple[str, ...] | None = None) -> ImportedFile:
    """Every structured rationale of a file, through the door, in the row's own order of sides.

    Raises:
        PairFileError: the file cannot be read, or a row's offers or label cannot.
    """
    found = ImportedFile()
    for number, row in enumerate(read_rows(path), 1):
        sides = [row.get(side) for side in ("left", "right")]
        if row.get("style") != STYLE:
            found.unstructured += 1
        elif teachers is not None and row.get("teacher") not in teachers:
            found.other_teachers += 1
        elif not all(isinstance(side, dict) for side in sides):
            found.without_offers += 1
        else:
            try:
                left, right = (offer_from_record(dict(row[side]), side) for side in ("left", "right"))
                label = int(row["label"])
                record = record_of(row, left, right)
            except (KeyError, TypeError, ValueError) as error:
                raise PairFileError(f"{path}:{number}: {error}") from error
            denied = found.report.teacher_denies_label
            if admit(record, left, right, label, found.report) is not None:
                found.records.append(record)
            else:
                why = "denies the label" if found.report.teacher_denies_label > denied else "contradicts the label"
                found.aside.append((why, record))
    return found
