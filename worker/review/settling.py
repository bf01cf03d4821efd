"""What the votes on a pair come to. Pure: votes in, outcome out; the one place that says when a label is due.

* One decisive vote (match or no match) settles a pair; two that agree settle a pair that is labelled twice.
* "unsure" wants a second person; two who are unsure, or two who contradict each other, want a lead.
* A lead's vote on such a pair settles it, whatever was said before; a lead who is unsure leaves it to another lead.
* "skip" says nothing about the pair: it only goes to somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from schemas.rationale import ATTRIBUTES, Attribute, Verdict

Said = Literal["match", "no_match", "unsure", "skip"]
Decisive = Literal["match", "no_match"]
State = Literal["open", "adjudicate", "labelled", "superseded", "withdrawn"]
"""Of a task: waiting for votes; waiting for a lead; settled; replaced by a newer task; taken out of the queue."""

# Unsure people after whom a third is not asked but a lead.
UNSURE_LIMIT = 2


@dataclass(frozen=True)
class Vote:
    """What one person said of a pair. `attributes` holds what they stated, not what the student had said."""

    reviewer: str
    verdict: Said
    attributes: Mapping[Attribute, Verdict] = field(default_factory=dict)
    note: str | None = None
    adjudicates: bool = False


@dataclass(frozen=True)
class Outcome:
    """`state` of the task; `wanted` votes are still missing; the rest is the label, when it is settled."""

    state: Literal["open", "adjudicate", "labelled"]
    wanted: int
    verdict: Decisive | None = None
    attributes: Mapping[Attribute, Verdict] = field(default_factory=dict)
    reviewers: tuple[str, ...] = ()
    note: str | None = None


def settle(votes: Sequence[Vote], *, double: bool) -> Outcome:
    """The outcome of a task's standing votes, in the order in which they were cast, at most one of each person."""
    ruling = next((vote for vote in reversed(votes) if vote.adjudicates and decisive(vote.verdict)), None)
    if ruling is not None:
        return _label([ruling])
    clear = [vote for vote in votes if decisive(vote.verdict)]
    unsure = sum(vote.verdict == "unsure" for vote in votes)
    if len({vote.verdict for vote in clear}) > 1 or unsure >= UNSURE_LIMIT:
        return Outcome("adjudicate", wanted=1)
    needed = 2 if double else 1
    return _label(clear) if len(clear) >= needed else Outcome("open", wanted=needed - len(clear))


def decisive(verdict: str) -> bool:
    """Whether it says match or no match."""
    return verdict in ("match", "no_match")


def contradictions(verdict: str, attributes: Mapping[Attribute, Verdict]) -> tuple[Attribute, ...]:
    """Attributes that are stated different although the pair is called a match: a match has none."""
    return tuple(name for name in ATTRIBUTES if verdict == "match" and attributes.get(name) == "different")


def _label(votes: Sequence[Vote]) -> Outcome:
    stated: dict[Attribute, Verdict] = {}
    for name in ATTRIBUTES:
        # Where two people state an attribute differently it stays unjudged; the pair itself they agree on.
        said = {vote.attributes[name] for vote in votes if name in vote.attributes}
        if len(said) == 1:
            stated[name] = said.pop()
    verdict: Decisive = "match" if votes[0].verdict == "match" else "no_match"
    notes = [vote.note for vote in votes if vote.note]
    return Outcome(
        "labelled", 0, verdict, stated, tuple(vote.reviewer for vote in votes), "\n".join(notes) if notes else None
    )
