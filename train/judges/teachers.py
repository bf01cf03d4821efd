"""Claims of a teacher's rationales, as preferences; and the rationales in which a teacher denied a label.

A teacher's verdict enters only through the door (:mod:`train.rationales.door`): it agrees with the label and does not
contradict itself. The corrupted side turns the verdict and keeps listings and quotes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from schemas.columns import offer_from_record
from schemas.offer import Offer
from schemas.rationale import Attribute
from train.judges.claims import Claim
from train.judges.corruptions import Preference, turned
from train.judges.interface import JUDGE_ATTRIBUTES, JudgeName
from train.judges.material import Part, part_of, wdc_offers
from train.pairs.pairs import data_root, read_rows
from train.pairs.splits import STAGES, Stage
from train.rationales.door import ImportReport
from train.rationales.imported import EXPLANATIONS, STYLE, import_row, record_of

KIND = "teacher"


@lru_cache(maxsize=1)
def _rows(root: Path) -> tuple[dict[str, Any], ...]:
    return tuple(row for row in read_rows(root / EXPLANATIONS) if row.get("style") == STYLE)


def _clusters(root: Path, stages: tuple[Stage, ...] = STAGES) -> dict[str, tuple[str, Offer]]:
    return {
        offer.offer_id: (cluster, offer)
        for stage in stages
        for cluster, offers in wdc_offers(root, stage).items()
        for offer in offers
    }


def taught(
    name: JudgeName, teacher: str, stage: Stage | None, part: Part, root: Path | None = None
) -> list[Preference]:
    """Preferences from the rationales of one teacher about products of one stage and part; [] where there are none."""
    base = (root or data_root()).resolve()
    if stage is None:
        return []
    offers = _clusters(base, (stage,))
    report = ImportReport()
    found: list[Preference] = []
    for row in _rows(base):
        sides = [offers.get(str(row[side]["id"])) for side in ("left", "right")]
        if not str(row["teacher"]).startswith(teacher) or sides[0] is None or sides[1] is None:
            continue
        if teacher == "gpt-4o" and "mini" in str(row["teacher"]):
            continue
        (group, left), (other, right) = sides[0], sides[1]
        if part_of(group) != part or part_of(other) != part:
            continue
        targets = import_row(row, left, right, report)
        if targets is None:
            continue
        for attribute in JUDGE_ATTRIBUTES[name]:
            verdict = targets.verdicts.get(attribute)
            if verdict not in ("same", "different"):
                continue
            said = targets.sentence
            quotes = (said.quote_left, said.quote_right) if said and said.attribute == attribute else ("", "")
            claim = Claim(left, right, attribute, verdict, *quotes)
            wrong = replace(claim, verdict=turned(verdict))
            found.append(Preference(KIND, claim, wrong, int(row["label"]), group, "teacher"))
    return found


@dataclass(frozen=True)
class Denial:
    """A rationale in which a teacher denied a label: the attributes that it called different of a true match."""

    left: Offer
    right: Offer
    teacher: str
    different: tuple[Attribute, ...]
    label: int


def denials(root: Path | None = None) -> list[Denial]:
    """The rationales that deny their label (all known ones are of matches), products of the judges left out."""
    base = (root or data_root()).resolve()
    stages = tuple(stage for stage in STAGES if stage != "judges")
    offers = _clusters(base, stages)
    found = []
    for row in _rows(base):
        if row.get("teacher_agrees_with_label") is not False:
            continue
        sides = [offers.get(str(row[side]["id"])) for side in ("left", "right")]
        if sides[0] is None or sides[1] is None:
            continue
        left, right = sides[0][1], sides[1][1]
        said = record_of(
            row, offer_from_record(dict(row["left"]), "left"), offer_from_record(dict(row["right"]), "right")
        )
        different = tuple(name for name, verdict in said.verdicts.items() if verdict == "different")
        found.append(Denial(left, right, str(row["teacher"]), different, int(row["label"])))
    return found
