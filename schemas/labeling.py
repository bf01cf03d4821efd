"""A pair that a label is wanted for, and with what probability it was drawn.

Intent: `LabelingTask`, what the sampling (`worker/labeling/`) publishes on `match.labeling` and the review page shows.
It carries all that a person needs and all that an estimate needs: the snapshot, the decision's facts, and the inclusion
probability in force when it was drawn. Non-goals: how it is drawn, and what a label then does (`schemas.label`).

Of one pair the last record counts: a later task replaces an earlier one in the queue, `withdrawn` takes it out. For an
estimate every record counts once by its `task_id`, withdrawn ones included: they were drawn.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.decision import BundleRef, Cuts, DecidedBy, DecisionVerdict, ShadowJudgement, Side
from schemas.events import Event, Timestamp
from schemas.offer import Offer
from schemas.rationale import Rationale

SamplingReason = Literal["uniform", "uncertainty", "disagreement", "novelty", "value"]
"""Why a pair was drawn. `uniform`: for the estimates; every decision has the same chance."""

Withdrawal = Literal["offer_changed", "offer_deleted", "labelled", "expired"]
"""`labelled`: somebody has said it of these very contents already, which counts for this draw, too."""

Chance = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class LabelingTask(Event):
    """A request for a label. Kafka key: `pair_id`, so that the tasks of a pair stay in order."""

    task_id: str = Field(description="equals decision_id: a decision is drawn once, however often it is delivered")
    pair_id: str
    decision_id: str
    first: Side
    second: Side
    first_offer: Offer | None = Field(
        default=None, description="the listing as it was judged; null only in a withdrawn task"
    )
    second_offer: Offer | None = None
    reasons: list[SamplingReason] = Field(min_length=1, description="strata that drew it")
    rates: dict[SamplingReason, Chance] = Field(
        default_factory=dict, description="chance of each stratum that the decision is in, as in force at that moment"
    )
    inclusion_probability: Chance = Field(
        description="of the decision under all strata together: the greatest of `rates`, because all of them look at "
        "one and the same hash"
    )
    priority: float = Field(default=0.0, description="greater first; uniform tasks stand above all others")
    double: bool = Field(default=False, description="two people label it, independently")
    stale: bool = Field(
        default=False,
        description="an offer has changed since: the label binds no more, but the estimate still needs it, of this "
        "snapshot",
    )
    withdrawn: Withdrawal | None = Field(default=None, description="take it out of the queue, and why")
    expires_at: Timestamp = Field(description="after it nobody needs to look any more")
    created_at: Timestamp = Field(description="when it was drawn; kept by later records of the task")
    updated_at: Timestamp | None = Field(default=None, description="when it became stale or was withdrawn")

    verdict: DecisionVerdict
    decided_by: DecidedBy
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    decision_reasons: list[str] = Field(default_factory=list, description="why the policy gave this verdict")
    rationale: Rationale | None = None
    shadow: ShadowJudgement | None = None
    thresholds: Cuts | None = Field(default=None, description="in force when it was decided, if they were looked at")
    query_key: str | None = Field(default=None, description="the side whose change caused the judgement")
    canary: bool = False
    bundle: BundleRef
    candidate_score: float | None = None
    decided_at: Timestamp

    @model_validator(mode="after")
    def _shows_something(self) -> Self:
        if self.withdrawn is None and (self.first_offer is None or self.second_offer is None):
            raise ValueError("an open task needs the snapshot of both listings")
        if self.task_id != self.decision_id:
            raise ValueError("task_id is the decision's id")
        return self

    @property
    def open(self) -> bool:
        """Whether it stands in the queue (its time apart)."""
        return self.withdrawn is None
