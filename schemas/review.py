"""A doubtful pair that a person should look at. Non-goal: the page that shows it (`worker/review/`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.decision import Side
from schemas.events import Event, Timestamp
from schemas.offer import Offer
from schemas.rationale import Rationale


class ReviewTask(Event):
    """Everything a reviewer needs, so that the page asks nobody else. Kafka key: `pair_id`.

    The listings are a snapshot: a label given on them binds only while both digests stand.
    """

    task_id: str = Field(description="equals decision_id: the same doubt is one task")
    pair_id: str
    decision_id: str
    first: Side
    second: Side
    first_offer: Offer
    second_offer: Offer
    reasons: list[str] = Field(description="why the policy asks for a person")
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    rationale: Rationale | None = None
    created_at: Timestamp
