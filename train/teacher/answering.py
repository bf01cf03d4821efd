"""What becomes of the teacher's word about a task: an answer that binds, or a pair for people. Pure.

The teacher answers first where that is allowed; to people go (`Outcome`)

* **failed**: it gave no usable reply;
* **unsure**: no answer, an answer that contradicts its own attributes, or one that it gives less than the asked
  confidence (its own word, raw: the least of reasons to trust it, which is why the next two exist);
* **judges**: a judge finds one of its verdicts unlikely;
* **checked**: a uniform share of what it would have answered, drawn by a hash of the contents. Its answer is kept and
  not published, so that people answer without it: the error rate comes from here (`error_rate`).

A task that the sampling drew uniformly is answered *and* left to people (**answered_checked**), because the estimates
of production ask people about it. Non-goal: asking (`train.teacher.run`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from schemas.decision import DecisionVerdict
from schemas.drift import Opinion, opinion_id
from schemas.label import Label
from schemas.labeling import LabelingTask
from schemas.offer import Offer, split_key
from schemas.review import ReviewTask
from train.judges.claims import Claim
from train.judges.interface import Judge
from train.rationales.records import RationaleRecord
from train.teacher.pipeline import Failure
from train.teacher.prompts import PROMPT_VERSION
from train.teacher.question import Question
from train.verification.estimate import Rates, stratified_rates

Outcome = Literal["answered", "answered_checked", "checked", "unsure", "judges", "failed"]
PUBLISHED: tuple[Outcome, ...] = ("answered", "answered_checked")
ANSWERED: tuple[Outcome, ...] = ("answered", "answered_checked", "checked")

_RANGE = 1 << 64


@dataclass(frozen=True)
class Asked:
    """A task of either topic, as the teacher needs it."""

    task_id: str
    pair_id: str
    digests: tuple[str, str]
    offers: tuple[Offer, Offer]
    decision_id: str
    seen: DecisionVerdict
    drawn: LabelingTask | None = None
    """Where the sampling drew it uniformly: what the teacher says of it is said of all decisions."""

    @property
    def uniform(self) -> bool:
        """Whether people are asked about it, too."""
        return self.drawn is not None

    @property
    def contents(self) -> tuple[str, str, str]:
        """Pair and both digests: what an answer is about."""
        return self.pair_id, *self.digests

    def question(self) -> Question:
        """What is put to the teacher: the texts alone, nothing of the decision."""
        return Question.of(self.pair_id, *self.offers)


def asked_of(task: ReviewTask | LabelingTask) -> Asked | None:
    """The task, or None where there is nothing to answer (withdrawn, or about contents that are no more)."""
    if task.first_offer is None or task.second_offer is None:
        return None
    labeling = task if isinstance(task, LabelingTask) else None
    if labeling is not None and (labeling.withdrawn is not None or labeling.stale):
        return None
    return Asked(
        task.task_id, task.pair_id, (task.first.digest, task.second.digest), (task.first_offer, task.second_offer),
        task.decision_id, "review" if labeling is None else labeling.verdict,
        labeling if labeling is not None and "uniform" in labeling.reasons else None,
    )  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """When an answer may bind: the teacher's own confidence, the share that people check, what judges must give."""

    least_confidence: float = 0.8
    check_share: float = 0.05
    least_score: float = 0.5


def place(contents: tuple[str, str, str]) -> float:
    """Where contents lie between 0 and 1, by a hash of their own: the checked share is below its share."""
    digest = hashlib.sha256("\0".join(("samesku-teacher-check", *contents)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / _RANGE


def outcome_of(
    asked: Asked, found: RationaleRecord | Failure, rules: Rules, judges: Sequence[Judge] = ()
) -> tuple[Outcome, str]:
    """What becomes of it, and why in words."""
    if isinstance(found, Failure):
        return "failed", f"{found.step}: {found.reason}"
    if found.answer is None:
        return "unsure", "it gave no answer"
    if found.contradicts_itself():
        return "unsure", "it calls them the same and an attribute different"
    if found.confidence is None or found.confidence < rules.least_confidence:
        return "unsure", f"confidence {found.confidence}"
    if (objection := _objection(asked, found, rules, judges)) is not None:
        return "judges", objection
    if asked.uniform:
        return "answered_checked", "drawn for the estimates"
    if place(asked.contents) < rules.check_share:
        return "checked", "drawn to check the teacher"
    return "answered", ""


def _objection(asked: Asked, found: RationaleRecord, rules: Rules, judges: Sequence[Judge]) -> str | None:
    for judge in judges:
        named = [name for name in judge.attributes if name in found.verdicts]
        claims = [Claim(*asked.offers, name, found.verdicts[name], *found.quotes.get(name, ("", ""))) for name in named]
        if not claims:
            continue
        for name, score in zip(named, judge.score(claims), strict=True):
            if score < rules.least_score:
                return f"{judge.name} gives {name} {found.verdicts[name]} only {score:.2f}"
    return None


def label_id(asked: Asked, model: str) -> str:
    """Equal contents, model and prompt give an equal id, so that a repeated answer is the same label."""
    parts = ("teacher", model, PROMPT_VERSION, *asked.contents)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def label_of(asked: Asked, found: RationaleRecord, model: str, at: datetime) -> Label:
    """The teacher's answer as a label, its rationale with it. Raises ValueError for a record without an answer."""
    if found.answer is None:
        raise ValueError(f"{asked.pair_id}: no answer")
    return Label(
        label_id=label_id(asked, model), pair_id=asked.pair_id, first_digest=asked.digests[0],
        second_digest=asked.digests[1], verdict="match" if found.answer == "same" else "no_match", by="teacher",
        attributes={str(name): verdict for name, verdict in found.verdicts.items()},
        sentence=found.explanation or None, decision_id=asked.decision_id, seen_verdict=asked.seen, reviewer=model,
        labeled_at=at,
    )  # fmt: skip


def opinion_of(task: LabelingTask, match: bool, model: str, at: datetime) -> Opinion:
    """What the teacher says of a decision that was drawn uniformly, whether or not its answer binds.

    The student said match where its probability is over its threshold; of a pair that it sent to review, too.
    """
    cut = task.thresholds.match if task.thresholds is not None else None
    said = task.verdict == "match" if task.probability is None or cut is None else task.probability >= cut
    return Opinion(
        opinion_id=opinion_id(task.decision_id, "teacher", f"{model} {PROMPT_VERSION}"),
        decision_id=task.decision_id, pair_id=task.pair_id,
        source=split_key(task.query_key)[0] if task.query_key is not None else "", by="teacher",
        score=float(match == said), match=match, probability=task.probability, said_match=said,
        # Of the uniform share alone: what its hash leaves out is no task of it, whatever else draws it.
        inclusion_probability=task.rates.get("uniform", task.inclusion_probability),
        bundle_digest=task.bundle.digest, given_at=at,
    )  # fmt: skip


@dataclass(frozen=True)
class Answered:
    """What the teacher said of some contents, as the ledger keeps it."""

    contents: tuple[str, str, str]
    outcome: Outcome
    verdict: Literal["match", "no_match"]


def error_rate(
    said: Sequence[Answered], people: Mapping[tuple[str, str, str], str], confidence: float = 0.95
) -> tuple[Rates, int, int]:
    """(rates, checked, wrong) of all that the teacher answered, from what people said of the uniform shares.

    Four strata: match and no_match, among what the sampling drew uniformly (people see all of it) and among the rest
    (a hash of the contents draws a share, before anybody looks). In each the checked ones are a random sample.
    """
    sizes, checked, wrong = np.zeros(4), np.zeros(4), np.zeros(4)
    for each in said:
        stratum = int(each.verdict == "no_match") + 2 * int(each.outcome == "answered_checked")
        sizes[stratum] += 1
        answer = people.get(each.contents)
        if each.outcome != "answered" and answer is not None:
            checked[stratum] += 1
            wrong[stratum] += answer != each.verdict
    rates = stratified_rates(wrong, checked, sizes, confidence=confidence)
    return rates, int(checked.sum()), int(wrong.sum())
