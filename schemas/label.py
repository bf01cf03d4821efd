"""What a person decided about a pair. Non-goal: how labels become training data (`train/`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.events import Event, Timestamp


class Label(Event):
    """A human verdict on a pair. Kafka key: `pair_id`, so that the labels of a pair stay in order.

    It binds while both digests stand: it then becomes a decision with `decided_by: label`, which no student
    overrules at the same versions (`schemas.decision.supersedes`). A later label of the pair replaces it.
    """

    label_id: str
    pair_id: str
    first_digest: str = Field(description="content that the person saw, of the pair's first offer")
    second_digest: str
    verdict: Literal["match", "no_match"]
    attributes: dict[str, Literal["same", "different", "unknown"]] = Field(
        default_factory=dict, description="corrected attribute verdicts, by attribute name; those left out are unjudged"
    )
    decision_id: str | None = Field(default=None, description="the decision that was looked at")
    reviewer: str = Field(description="who; an opaque id is enough")
    note: str | None = None
    labeled_at: Timestamp
