"""The one record per change: what came of it. Non-goal: the decisions themselves (`schemas.decision`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.events import Event, Natural, Position, Timestamp

Outcome = Literal[
    "judged",
    "no_candidates",
    "unchanged",
    "superseded",
    "deleted",
    "delete_unknown",
    "indexed_only",
    "dead_lettered",
]


class Answer(Event):
    """What came of one change; exactly one per `(partition, offset)` of `catalog.changes`, for `read_committed`.

    Kafka key: the change's key as it came. Outcomes:

    * `judged`: candidates were judged; `decision_ids` are new, `standing_ids` were kept.
    * `no_candidates`: indexed, and nothing resembles it.
    * `unchanged`: content, bundle, prompt and policy are as before, so only standing decisions are named.
    * `superseded`: older than what is indexed; nothing was done.
    * `deleted`: removed; `decision_ids` are the retractions of its live pairs.
    * `delete_unknown`: a delete of something that was not there; a marker was left.
    * `indexed_only`: the change asked not to be judged.
    * `dead_lettered`: it cannot be used; the original bytes are in `catalog.changes.dlq`.
    """

    source: Position = Field(description="the change that is answered")
    key: str | None = Field(description="offer key; null when the change had none that can be read")
    op: Literal["upsert", "delete"] | None = Field(default=None, description="null when it could not be read")
    outcome: Outcome
    effective_version: Natural | None = Field(
        default=None, description="version of the offer that stands in the index after this change"
    )
    candidates: Natural = Field(default=0, description="pairs considered: blocking's candidates and live links")
    k_requested: Natural = Field(default=0, description="candidates that the settings ask for")
    k_effective: Natural = Field(default=0, description="candidates that were asked for; fewer under lag")
    lag: Natural | None = Field(
        default=None, description="changes that waited in the worker's partitions, which chose k_effective"
    )
    decision_ids: list[str] = Field(default_factory=list, description="decisions published with this answer")
    standing_ids: list[str] = Field(default_factory=list, description="decisions that stand and were not repeated")
    rejudged: Natural = Field(default=0, description="pairs judged again because an offer moved meanwhile")
    version_conflict: bool = Field(
        default=False, description="the seller's version was equal to the indexed one, but the content differed"
    )
    reason: str | None = Field(default=None, description="dead_lettered: why, as in the dead letter's header")
    detail: str | None = None
    answered_at: Timestamp
