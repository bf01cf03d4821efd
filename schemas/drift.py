"""What the monitor says of the stream of decisions, and what it is told by judges and the teacher.

Intent: `DriftEvent` on `match.drift`, `Opinion` on `match.opinions`. Non-goal: how a drift is found (`worker.monitor`).

A monitor that is killed may publish an event again: equal `event_id`, equal content. Readers count by `event_id`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.decision import BundleRef
from schemas.events import Event, Natural, Timestamp, canonical, sha256_hex

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

InputKind = Literal["decisions", "offers", "answers", "opinions"]
"""The topic that a stream is read from: match.decisions, catalog.offers, match.answers, match.opinions."""

DriftKind = Literal["alarm", "recovered", "reference", "accepted"]
"""`alarm`: a signal has left its reference. `recovered`: it is back. `reference`: the first reference of a stream is
complete, alarms are armed. `accepted`: an operator made the present the new reference."""


OpinionAbout = Literal["decision", "label"]


def stream_key(inputs: str, segment: str, signal: str) -> str:
    """Name of one monitored stream, and the Kafka key of its events: `decisions/source=shop/score`."""
    return f"{inputs}/{segment}/{signal}"


class Moved(BaseModel):
    """One bin of a signal: its share in the reference and now."""

    model_config = ConfigDict(extra="allow", frozen=True)

    bin: str
    before: Share
    now: Share


class Estimate(BaseModel):
    """Quality without labels (confidence-based performance estimation); its assumptions stand in docs/monitor.md."""

    model_config = ConfigDict(extra="allow", frozen=True)

    pairs: Natural = Field(description="pairs with a probability that it is made of")
    precision: Share | None
    recall: Share | None = Field(description="among the pairs that blocking put before the student")
    f1: Share | None
    f1_low: Share | None = Field(default=None, description="95%, of the draw alone: the calibration is taken as right")
    f1_high: Share | None = None


class DriftEvent(Event):
    """Something happened to one monitored stream. Kafka key: `stream`."""

    event_id: str = Field(description="drift_event_id(...): what was found in the same windows has the same id")
    stream: str = Field(description="stream_key(inputs, segment, signal)")
    inputs: InputKind
    segment: str = Field(description="all, source=NAME, category=NAME, or other (beyond the cap)")
    signal: str = Field(description="what was counted: score, verdict, attribute.brand, unknown_words, ...")
    kind: DriftKind
    window_start: Timestamp = Field(description="of the window that made it (inclusive)")
    window_end: Timestamp = Field(description="exclusive")
    since: Timestamp = Field(description="start of the window from which the evidence has grown: when it began, about")
    observations: Natural = Field(description="counted from `since` to `window_end`")
    evidence: float = Field(default=0.0, ge=0, description="log10 of the detector (at most 300); 0: none needed")
    threshold: float = Field(default=0.0, ge=0, description="log10 of what it must reach")
    false_alarm_rate: Share | None = Field(
        default=None, description="bound on false alarms per window, over all streams of these inputs together"
    )
    distance_reference: Share | None = Field(default=None, description="total variation from the reference")
    distance_last_good: Share | None = Field(default=None, description="total variation from the last good window")
    moved: list[Moved] = Field(default_factory=list, description="bins that moved most, greatest first")
    estimate: Estimate | None = Field(default=None, description="of the window, for streams of decisions")
    estimate_reference: Estimate | None = None
    bundle: BundleRef | None = Field(default=None, description="that judged, for streams of decisions")
    by: str | None = Field(default=None, description="who accepted, if somebody did")


class Opinion(Event):
    """What a judge, the teacher or a person says of one published decision of a sample. Kafka key: `pair_id`.

    The monitor counts how often they agree with the student, and how often judges agree with people; with `probability`
    and `inclusion_probability` they correct the estimate that is made without labels.
    """

    opinion_id: str = Field(description="opinion_id(...): the same opinion, told again, has the same id")
    decision_id: str
    pair_id: str
    source: str = Field(default="", description="source of the decision's query, for the streams by source")
    by: Annotated[str, Field(pattern=r"^(teacher|person|judge:[a-z_]{1,40})$")]
    about: OpinionAbout = Field(
        default="decision", description="decision: held against the student; label: a judge, held against a person"
    )
    score: Share = Field(
        description="how likely the decision is right: a plain yes or no is 1 or 0, of a judge the least score of the "
        "attribute verdicts that it is asked about; of a label: agreed / claims"
    )
    claims: Natural = Field(default=0, description="of a label: attribute verdicts that it tells of, this judge's own")
    agreed: Natural = Field(default=0, description="of a label: in how many of them the judge says the same")
    match: bool | None = Field(default=None, description="whether it is a match, where the opinion says so")
    probability: Share | None = Field(default=None, description="the student's, of the decision")
    said_match: bool | None = Field(
        default=None, description="whether the student's probability was over its threshold"
    )
    inclusion_probability: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="with which chance the decision came into the sample; null: not known"
    )
    bundle_digest: str | None = Field(default=None, description="of the bundle that made the decision, if known")
    given_at: Timestamp


def drift_event_id(stream: str, kind: str, window_start_ms: int, epoch: str) -> str:
    """32 hex digits that depend on what was found where. `epoch` names the reference that was compared with."""
    return sha256_hex(canonical([stream, kind, window_start_ms, epoch]))[:32]


def opinion_id(decision_id: str, by: str, version: str, about: str = "decision") -> str:
    """32 hex digits: who said it of what. `version` tells apart what may say otherwise (a judge's digest, a prompt);
    `about` names the label that it is held against, if it is."""
    return sha256_hex(canonical([decision_id, by, version, about]))[:32]
