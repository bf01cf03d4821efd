"""From a drawn decision to its task, and what becomes of an open task. Pure.

A task whose offers have changed binds no more. One that only the targeted strata drew is withdrawn; one that the
uniform share drew stays, marked `stale`, with the snapshot of what was judged: the estimate asks about the decision as
it was made, and a draw that people never answer would bend it towards offers that change seldom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from schemas.decision import MatchDecision, Side
from schemas.labeling import LabelingTask, Withdrawal
from schemas.labeling_settings import LabelingSettings
from schemas.offer import Offer
from worker.blocking.records import HeldLabel, StoredOffer
from worker.labeling.chances import Draw, place

# Uniform tasks stand above all others in the queue; among the others the better chance is the greater need.
UNIFORM_FIRST = 1.0


def contents(made: MatchDecision, stored: Mapping[str, StoredOffer | None]) -> tuple[Offer | None, Offer | None]:
    """Both listings as they were judged, where the index still holds that very content."""
    first, second = (_content(side, stored.get(side.key)) for side in (made.first, made.second))
    return first, second


def _content(side: Side, stored: StoredOffer | None) -> Offer | None:
    if stored is None or stored.deleted or stored.digest != side.digest:
        return None
    return stored.offer


def task_of(
    made: MatchDecision, drawn: Draw, offers: tuple[Offer | None, Offer | None], labels: Iterable[HeldLabel],
    stored: Mapping[str, StoredOffer | None], settings: LabelingSettings, at: datetime,
) -> LabelingTask:  # fmt: skip
    """The task of a drawn decision. It is withdrawn at birth where nobody could answer it, or somebody has."""
    withdrawn: Withdrawal | None = None
    if _answered(labels, (made.first.digest, made.second.digest)):
        withdrawn = "labelled"
    elif None in offers:
        withdrawn = _why_gone(made.first, made.second, stored)
    return LabelingTask(
        task_id=made.decision_id, pair_id=made.pair_id, decision_id=made.decision_id,
        first=made.first, second=made.second, first_offer=offers[0], second_offer=offers[1],
        reasons=list(drawn.reasons), rates=dict(drawn.rates), inclusion_probability=drawn.inclusion,
        priority=drawn.inclusion + (UNIFORM_FIRST if "uniform" in drawn.reasons else 0.0),
        double=place(made.decision_id, "double") < settings.double_share,
        withdrawn=withdrawn, expires_at=at + timedelta(days=settings.expires_days), created_at=at,
        verdict=made.verdict, decided_by=made.decided_by, probability=made.probability,
        decision_reasons=made.reasons, rationale=made.rationale, shadow=made.shadow, canary=made.canary,
        thresholds=made.thresholds, query_key=made.query_key,
        bundle=made.bundle, candidate_score=made.candidate_score, decided_at=made.decided_at,
    )  # fmt: skip


def _why_gone(first: Side, second: Side, stored: Mapping[str, StoredOffer | None]) -> Withdrawal:
    found = [stored.get(side.key) for side in (first, second)]
    return "offer_deleted" if any(each is None or each.deleted for each in found) else "offer_changed"


def _answered(labels: Iterable[HeldLabel], digests: tuple[str, str]) -> bool:
    return any(label.by == "person" and label.digests == digests for label in labels)


def looked_at_again(
    task: LabelingTask, stored: Mapping[str, StoredOffer | None], labels: Iterable[HeldLabel], at: datetime
) -> LabelingTask | None:
    """The next record of an open task, or None if it stands as it is."""
    if _answered(labels, (task.first.digest, task.second.digest)):
        return _updated(task, "labelled", at)
    if at >= task.expires_at:
        return _updated(task, "expired", at)
    sides = (task.first, task.second)
    if task.stale or all(_content(side, stored.get(side.key)) is not None for side in sides):
        return None
    if "uniform" in task.reasons:
        return task.model_copy(update={"stale": True, "updated_at": at})
    return _updated(task, _why_gone(*sides, stored), at)


def _updated(task: LabelingTask, withdrawn: Withdrawal, at: datetime) -> LabelingTask:
    # The snapshot has done its part, and is the bulk of the event.
    return task.model_copy(update={"withdrawn": withdrawn, "updated_at": at, "first_offer": None, "second_offer": None})


class Queue:
    """The open tasks, by pair: of one pair the last record counts."""

    def __init__(self) -> None:
        self.open: dict[str, LabelingTask] = {}

    def keep(self, ours: Callable[[str], bool]) -> None:
        """Forget the pairs that are not ours."""
        self.open = {pair: task for pair, task in self.open.items() if ours(pair)}

    def apply(self, task: LabelingTask) -> None:
        """Take in a record of `match.labeling`, in the order of its partition."""
        if task.withdrawn is None:
            self.open[task.pair_id] = task
        else:
            held = self.open.get(task.pair_id)
            if held is not None and held.task_id == task.task_id:
                del self.open[task.pair_id]
