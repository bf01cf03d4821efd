"""Judges in production: what they say of decisions that people labelled, and which decisions a person should see.

Pure: decisions, labels and offers come in as values; opinions, review tasks and counts come out. Reading and publishing
is :mod:`samesku.judging.watcher`'s. A decision is looked at when a hash of its id falls into the share, so that
every run and every watcher looks at the same ones, and that the chance is known.

Agreement with people. A label that corrects attribute verdicts says of each of the decision's claims whether it was
right; a label ``match`` without them says that every claim ``different`` was wrong. Whether a judge accepts the claim
is held against that. The alarm asks whether agreement is *certainly* below the limit: the one-sided upper bound of
Clopper and Pearson. As the counts are looked at again and again, looks are only taken where the number of judged claims
has doubled, and the k-th look spends 6 / (pi^2 k^2) of the error, so that all looks together raise a false alarm in at
most 5% of watchers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from schemas.decision import MatchDecision
from schemas.drift import Opinion
from schemas.label import Label
from schemas.offer import Offer
from schemas.rationale import Attribute, Verdict
from schemas.review import ReviewTask
from train.calibration.bounds import upper_bound
from train.judges.claims import Claim, claims_of
from train.judges.interface import Judge
from train.judges.opinions import opinion_of_decision, opinion_of_label
from train.pairs.shares import stable_share

FIRST_LOOK = 20
"""Claims before the first look; with fewer even no agreement at all is hardly below a limit."""
ERROR = 0.05
SALT = 29


class WatchPolicy(BaseModel):
    """What is watched, and when somebody is called."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(default=0.02, gt=0, le=1, description="of the decisions, by a hash of their id")
    accept: float = Field(default=0.5, ge=0, le=1, description="a claim counts as accepted from here")
    sure_reject: float = Field(default=0.1, ge=0, le=0.5, description="a judge that rejects is sure up to here")
    sure_accept: float = Field(default=0.9, ge=0.5, le=1, description="a judge that accepts is sure from here")
    agreement: float = Field(default=0.75, ge=0, le=1, description="with people, below which an alarm is raised")


def watched(decision: MatchDecision, share: float) -> bool:
    """Whether a decision is in the share; only the student's own in production with a rationale are."""
    return (
        decision.decided_by == "student"
        and decision.replay is None
        and decision.rationale is not None
        and stable_share(SALT, decision.decision_id) < share
    )


def right_by_label(label: Label, attribute: Attribute, verdict: Verdict) -> bool | None:
    """Whether a claim is right by what a person said; None where the label does not tell."""
    corrected = label.attributes.get(attribute)
    if corrected is not None:
        return corrected == verdict
    if label.verdict == "match" and verdict == "different":
        return False
    return None


@dataclass
class Tally:
    """Claims of one judge that people told of, and in how many the judge said the same. ``looks`` were taken, and the
    last of them found an ``alarm`` or none. ``since`` and ``until``: the first and the last label."""

    claims: int = 0
    agreed: int = 0
    looks: int = 0
    alarm: bool = False
    since: datetime | None = None
    until: datetime | None = None

    @property
    def agreement(self) -> float | None:
        return self.agreed / self.claims if self.claims else None


def look(tally: Tally, limit: float) -> bool | None:
    """Take a look if one is due: whether agreement is certainly below the limit; None where no look is due."""
    if tally.claims < FIRST_LOOK * 2**tally.looks:
        return None
    alarm = False
    # A burst of labels may pass several looks at once; only the last of them has these counts.
    while tally.claims >= FIRST_LOOK * 2**tally.looks:
        tally.looks += 1
    error = ERROR * 6 / (math.pi**2 * tally.looks**2)
    alarm = float(upper_bound(tally.agreed, tally.claims, 1 - error)) < limit
    return alarm


@dataclass
class Watched:
    """What came of some decisions: tasks for people, opinions for whoever watches, and how many were judged."""

    tasks: list[ReviewTask] = field(default_factory=list)
    opinions: list[Opinion] = field(default_factory=list)
    judged: int = 0


def judge_decisions(
    items: Sequence[tuple[MatchDecision, Offer, Offer, Label | None]],
    judges: Sequence[Judge],
    policy: WatchPolicy,
    tallies: Mapping[str, Tally],
    now: datetime,
    spared: Collection[str] = (),
) -> Watched:
    """Judge the rationales of decisions.

    Args:
        items: decision, its first and second offer as they were judged; with the label that binds to it the judges are
            held against the person, without one the student is held against the judges.
        judges: each scores the claims that are its own.
        policy: see :class:`WatchPolicy`.
        tallies: by judge's name; counted into.
        now: of the tasks and opinions.
        spared: ids of decisions of which no task is made: a person has seen them, or a later one asks about the pair.
    """
    claims: list[Claim] = []
    owner: list[int] = []
    for number, (decision, first, second, _) in enumerate(items):
        assert decision.rationale is not None
        for claim in claims_of(decision.rationale, first, second):
            claims.append(claim)
            owner.append(number)
    said: list[dict[str, list[tuple[Claim, float]]]] = [{} for _ in items]
    for judge in judges:
        mine = [place for place, claim in enumerate(claims) if claim.attribute in judge.attributes]
        for place, score in zip(mine, judge.score([claims[place] for place in mine]), strict=True):
            said[owner[place]].setdefault(judge.name, []).append((claims[place], float(score)))
    found = Watched(judged=len(items))
    for (decision, first, second, label), scores in zip(items, said, strict=True):
        if label is not None:
            for judge in judges:
                told, agreed = held_against(label, scores.get(judge.name, ()), policy)
                if told:
                    _count(tallies[judge.name], told, agreed, label.labeled_at)
                    found.opinions.append(opinion_of_label(decision, judge, label, told, agreed, now))
            continue
        found.opinions += [
            opinion_of_decision(decision, judge, [score for _, score in scores[judge.name]], policy.share, now)
            for judge in judges
            if judge.name in scores
        ]
        reasons = [] if decision.decision_id in spared else reasons_for(decision, scores, policy)
        if reasons:
            found.tasks.append(_task(decision, first, second, reasons, now))
    return found


def held_against(label: Label, judged: Sequence[tuple[Claim, float]], policy: WatchPolicy) -> tuple[int, int]:
    """(claims that the label tells of, those in which the judge says the same)."""
    told = [
        (score >= policy.accept) == truth
        for claim, score in judged
        if (truth := right_by_label(label, claim.attribute, claim.verdict)) is not None
    ]
    return len(told), sum(told)


def _count(tally: Tally, claims: int, agreed: int, at: datetime) -> None:
    tally.claims += claims
    tally.agreed += agreed
    tally.since = at if tally.since is None else min(tally.since, at)
    tally.until = at if tally.until is None else max(tally.until, at)


def reasons_for(
    decision: MatchDecision, scores: Mapping[str, Sequence[tuple[Claim, float]]], policy: WatchPolicy
) -> list[str]:
    """Why a person should look: two judges sure of the opposite about one claim, or one sure that what an automatic
    verdict rests on (``same`` of a match, ``different`` of a non-match) is wrong. Nothing for a pair in review."""
    if decision.verdict not in ("match", "no_match"):
        return []
    bearing: Verdict = "same" if decision.verdict == "match" else "different"
    reasons = []
    by_attribute: dict[Attribute, list[float]] = {}
    for judged in scores.values():
        for claim, score in judged:
            by_attribute.setdefault(claim.attribute, []).append(score)
    for attribute, given in by_attribute.items():
        if min(given) <= policy.sure_reject and max(given) >= policy.sure_accept:
            reasons.append(f"judges_conflict:{attribute}")
    for name, judged in sorted(scores.items()):
        for claim, score in judged:
            conflict = f"judges_conflict:{claim.attribute}" in reasons
            if claim.verdict == bearing and score <= policy.sure_reject and not conflict:
                reasons.append(f"judge_rejects:{name}:{claim.attribute}")
    return reasons


def _task(decision: MatchDecision, first: Offer, second: Offer, reasons: list[str], now: datetime) -> ReviewTask:
    return ReviewTask(
        task_id=decision.decision_id,
        pair_id=decision.pair_id,
        decision_id=decision.decision_id,
        first=decision.first,
        second=decision.second,
        first_offer=first,
        second_offer=second,
        reasons=reasons,
        probability=decision.probability,
        rationale=decision.rationale,
        created_at=now,
    )
