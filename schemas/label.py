"""What somebody decided about a pair: a person, or the teacher where that is allowed; and the door of `match.labels`.

Intent: `Label`, `parse_label`, and `replaces`, the one rule that says which of two labels about one thing counts.
Non-goal: how labels become training data (`train/`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from schemas.change import bad_event, key_text, read_object
from schemas.decision import DecisionVerdict
from schemas.events import BadEvent, Event, Reason, Timestamp
from schemas.offer import split_key, split_pair

LabeledBy = Literal["person", "teacher"]

_Name = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class Label(Event):
    """A verdict on a pair. Kafka key: `pair_id`, so that the labels of a pair stay in order.

    It binds while both digests stand: it then becomes a decision with `decided_by: label` (or `teacher`), which no
    student overrules at the same versions (`schemas.decision.supersedes`). A later label about the same contents
    replaces it, but the teacher's never replaces a person's (`replaces`).
    """

    label_id: _Name
    pair_id: str
    first_digest: str = Field(description="content that was looked at, of the pair's first offer")
    second_digest: str
    verdict: Literal["match", "no_match"]
    by: LabeledBy = Field(default="person", description="the teacher's answers bind more weakly than a person's")
    attributes: dict[str, Literal["same", "different", "unknown"]] = Field(
        default_factory=dict, description="corrected attribute verdicts, by attribute name; those left out are unjudged"
    )
    sentence: str | None = Field(default=None, description="why, in one sentence; the teacher gives it")
    decision_id: str | None = Field(default=None, description="the decision that was looked at")
    seen_verdict: DecisionVerdict | None = Field(default=None, description="its verdict")
    reviewer: str = Field(description="who; an opaque id is enough. Of the teacher: the model's name")
    note: str | None = None
    labeled_at: Timestamp

    @property
    def digests(self) -> tuple[str, str]:
        """Contents that were looked at, in the pair's order."""
        return self.first_digest, self.second_digest


def replaces(label: Label, offset: int, held: Label, held_offset: int) -> bool:
    """Whether a label at `offset` of its partition counts instead of the one at `held_offset`.

    Both are about the same contents of one pair; of other contents each counts by itself. The later one does, except
    that the teacher never replaces a person, and that a person always replaces the teacher.
    """
    if label.by != held.by:
        return label.by == "person"
    return offset > held_offset


def parse_label(key: bytes | None, value: bytes | None) -> Label:
    """The label that a record of `match.labels` carries.

    Raises:
        BadEvent: the record can never be used; `reason` says why.
        UnknownMajorVersion: the record may be right, but this code cannot read it.
    """
    if value is None:
        raise BadEvent(Reason.MISSING_FIELD, "a label has a value; nothing takes one back but a later label")
    try:
        label = Label.model_validate(read_object(value))
    except ValidationError as error:
        refusal = bad_event(error)
        # The words of changes: what they call an unknown operation is here a verdict or a kind that nobody knows.
        reason = Reason.BAD_VALUE if refusal.reason == Reason.UNKNOWN_OPERATION else refusal.reason
        raise BadEvent(reason, refusal.detail) from error
    if key is None:
        raise BadEvent(Reason.BAD_KEY, "the key is null: without it a pair's labels have no order")
    if (text := key_text(key)) != label.pair_id:
        raise BadEvent(Reason.BAD_KEY, f"the key is {text[:80]!r}, the label is about {label.pair_id[:80]!r}")
    _check_pair(label.pair_id)
    return label


def _check_pair(pair: str) -> None:
    try:
        first, second = split_pair(pair)
        split_key(first), split_key(second)
    except ValueError as error:
        raise BadEvent(Reason.BAD_VALUE, str(error)) from error
    if first >= second:
        raise BadEvent(Reason.BAD_VALUE, f"pair_id needs two different keys, sorted: {pair[:200]!r}")
