"""What judges say of decisions, as events: opinions for the monitor and the sampler, and alarms for match.drift. Pure.

A judge answers about verdicts on single attributes. Of a decision its opinion is that of the verdict which it finds
least likely right: a rationale is as good as its weakest verdict. Of a person's label it is in how many verdicts both
agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from schemas.decision import MatchDecision
from schemas.drift import DriftEvent, DriftKind, Moved, Opinion, drift_event_id, opinion_id, stream_key
from schemas.label import Label
from schemas.offer import split_key
from train.judges.interface import Judge


def speaker(judge: str) -> str:
    """`by` of a judge's opinions."""
    return f"judge:{judge}"


def opinion_of_decision(
    decision: MatchDecision, judge: Judge, scores: Sequence[float], share: float, at: datetime
) -> Opinion:
    """Of the student's verdicts.

    Args:
        decision: what was judged.
        judge: who says so.
        scores: of its claims about the decision's rationale, at least one.
        share: chance with which the decision came into the sample.
        at: when it is said.
    """
    probability, cuts = decision.probability, decision.thresholds
    return Opinion(
        **_about(decision, judge, "decision", at),
        score=min(scores),
        probability=probability,
        said_match=None if probability is None or cuts is None else probability >= cuts.match,
        inclusion_probability=share,
    )


def opinion_of_label(
    decision: MatchDecision, judge: Judge, label: Label, claims: int, agreed: int, at: datetime
) -> Opinion:
    """Of the verdicts that a person's label tells of; `claims` is at least 1."""
    return Opinion(
        **_about(decision, judge, f"label:{label.label_id}", at),
        about="label", score=agreed / claims, claims=claims, agreed=agreed,
    )  # fmt: skip


def _about(decision: MatchDecision, judge: Judge, about: str, at: datetime) -> dict[str, Any]:
    return {
        "opinion_id": opinion_id(decision.decision_id, speaker(judge.name), judge.digest, about),
        "decision_id": decision.decision_id,
        "pair_id": decision.pair_id,
        "source": split_key(decision.query_key)[0],
        "by": speaker(judge.name),
        "bundle_digest": decision.bundle.digest,
        "given_at": at,
    }


def agreement_event(
    judge: str, digest: str, kind: DriftKind, look: int, claims: int, agreed: int, limit: float, since: datetime,
    until: datetime,
) -> DriftEvent:  # fmt: skip
    """A judge's agreement with people has certainly fallen below the limit (`alarm`), or is no longer (`recovered`).

    The id follows from judge and look: a watch that dies and looks again says the same.
    """
    signal = f"people.{speaker(judge)}"
    stream = stream_key("opinions", "all", signal)
    share = agreed / claims
    return DriftEvent(
        event_id=drift_event_id(stream, kind, int(since.timestamp() * 1000), f"{digest[:12]}/{look}"),
        stream=stream, inputs="opinions", segment="all", signal=signal, kind=kind, window_start=since, window_end=until,
        since=since, observations=claims,
        moved=[Moved(bin="agree", before=limit, now=share), Moved(bin="differ", before=1 - limit, now=1 - share)],
    )  # fmt: skip
