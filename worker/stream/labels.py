"""Labels at work: what somebody said of a pair becomes its decision, while both contents stand (decision 5).

The protocol, which needs no recheck: the label is written into the index first, then both offers are read. Whoever
changes an offer does the reverse: writes the offer, then asks for labels (`judging`). So of a label and a change that
meet, one sees the other at least: either the label's decision is of the newest versions, or the change's judgement is
the label's. Until the commit the only traces are idempotent: what `match.labels` says, and a pending link.

What comes of a label (`Outcome`): **bound**: one decision, in the transaction of its offset; **stale**: an offer has
another content by now, or none; the label is kept, and binds if exactly these contents come (again); **outranked**: a
label that counts over it was there; **refused**: it cannot be used, and its bytes go to the dead letters.
No record goes to `match.answers`: it promises one for each change, and a label is none.
Non-goals: Kafka's consumer (`desk`), and who may label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from schemas.decision import MatchDecision
from schemas.events import BadEvent
from schemas.label import Label, parse_label
from schemas.offer import Offer, split_pair
from worker.blocking.records import HeldLabel, Link, LinkState, Settle, StoredOffer
from worker.stream.outputs import Outputs
from worker.stream.pairs import Basis, Member, binding_label, label_about, labelled, standing_of
from worker.stream.records import LookedAt, Outgoing, Record

Outcome = Literal["bound", "stale", "outranked", "refused"]


class LabelIndex(Protocol):
    """The part of `worker.blocking.Index` that labels use."""

    def put_labels(self, labels: Sequence[tuple[str, str, HeldLabel]]) -> None: ...

    def labels_many(self, keys: Sequence[str]) -> list[dict[str, list[HeldLabel]]]: ...

    def links_many(self, keys: Sequence[str]) -> list[dict[str, LinkState]]: ...

    def link_many(self, links: Sequence[Link]) -> None: ...

    def read(self, keys: Sequence[str]) -> list[StoredOffer | None]: ...

    def settle_many(self, outcomes: Sequence[Settle]) -> list[bool]: ...

    def unlink_many(self, links: Sequence[tuple[str, str, LinkState]]) -> None: ...


@dataclass(frozen=True, slots=True)
class IncomingLabel(LookedAt):
    """A record of `match.labels`: exactly one of `label` and `refusal` is set."""

    label: Label | None = None
    refusal: BadEvent | None = None

    @property
    def identity(self) -> bytes | None:
        """The pair: of one pair at most one label is in a batch."""
        return self.record.key if self.label is not None else None


def read_label(record: Record) -> IncomingLabel:
    """Look at one record. Raises UnknownMajorVersion."""
    try:
        return IncomingLabel(record, parse_label(record.key, record.value))
    except BadEvent as refusal:
        return IncomingLabel(record, refusal=refusal)


def held_label(label: Label, record: Record) -> HeldLabel:
    """What the index keeps of a label."""
    return HeldLabel(
        label.label_id, label.verdict, label.by, label.digests, record.topic, record.partition, record.offset,
        label.decision_id, label.seen_verdict,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one label, for counting."""

    record: Record
    outcome: Outcome
    label: Label | None = None
    decision: MatchDecision | None = None
    reason: str | None = None


@dataclass
class LabelWork:
    """What came of a batch of labels: to be published, and what to do in the index after the commit."""

    outgoing: list[Outgoing] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    settles: list[Settle] = field(default_factory=list)
    unlinks: list[tuple[str, str, LinkState]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Valid:
    record: Record
    label: Label
    keys: tuple[str, str]

    @property
    def token(self) -> str:
        # No change of a partition is called so: a worker that settles its own attempt leaves ours alone.
        return f"label:{self.record.partition}:{self.record.offset}"


def work_on(
    batch: Sequence[IncomingLabel], index: LabelIndex, basis: Basis, outputs: Outputs, now: Callable[[], datetime]
) -> LabelWork:
    """Everything but publishing and settling. `basis` is that of the live bundle: nobody judges.

    At most one label of a pair is in `batch`. Raises redis errors and IndexLost; it may be called again at any time.
    """
    work = LabelWork()
    valid: list[_Valid] = []
    for incoming in batch:
        if incoming.label is not None:
            valid.append(_Valid(incoming.record, incoming.label, split_pair(incoming.label.pair_id)))
        elif incoming.refusal is not None:
            work.outgoing.append(outputs.dead_letter(incoming.record, incoming.refusal, now()))
            work.done.append(Done(incoming.record, "refused", reason=str(incoming.refusal)))
    if valid:
        _bind(valid, index, basis, outputs, now, work)
    return work


def _bind(
    valid: list[_Valid], index: LabelIndex, basis: Basis, outputs: Outputs, now: Callable[[], datetime], work: LabelWork
) -> None:
    index.put_labels([(*each.keys, held_label(each.label, each.record)) for each in valid])
    firsts = [each.keys[0] for each in valid]
    links = index.links_many(firsts)
    held = [
        label_about(labels.get(each.keys[1], ()), each.label.digests)
        for labels, each in zip(index.labels_many(firsts), valid, strict=True)
    ]
    index.link_many([Link(*each.keys, each.token) for each in valid])
    stored = index.read([key for each in valid for key in each.keys])
    for place, each in enumerate(valid):
        counts, link = held[place], links[place].get(each.keys[1])
        first, second = (_member(key, stored[2 * place + side]) for side, key in enumerate(each.keys))
        mine = counts is not None and counts.offset == each.record.offset
        if counts is None or not mine or binding_label([counts], first, second) is None:
            reason = None if not mine else _why_stale(each.label, first, second)
            work.done.append(Done(each.record, "stale" if mine else "outranked", each.label, reason=reason))
            work.unlinks.append((*each.keys, LinkState(tokens=frozenset({each.token}))))
            continue
        made = labelled(basis, first, second, counts, now(), link=link)
        offers = {member.key: member.offer for member in (first, second) if member.offer is not None}
        work.outgoing.extend(outputs.decided([made], offers, now()))
        work.settles.append(Settle(*each.keys, each.token, standing_of(made, *_contents(offers, each.keys))))
        work.done.append(Done(each.record, "bound", each.label, made))


def _contents(offers: dict[str, Offer], keys: tuple[str, str]) -> tuple[Offer | None, Offer | None]:
    return offers.get(keys[0]), offers.get(keys[1])


def _member(key: str, stored: StoredOffer | None) -> Member:
    return Member.gone(key, 0) if stored is None else Member.stored(stored)


def _why_stale(label: Label, first: Member, second: Member) -> str:
    gone = [member.key for member in (first, second) if member.offer is None]
    moved = [
        member.key
        for member, seen in zip((first, second), label.digests, strict=True)
        if member.offer is not None and member.digest != seen
    ]
    texts = [f"not in the catalogue: {', '.join(gone)}"] if gone else []
    texts += [f"changed since: {', '.join(moved)}"] if moved else []
    return "; ".join(texts)


def settle(work: LabelWork, index: LabelIndex) -> None:
    """After the commit: what stands now is recorded with the links, and marks of ours that came to nothing go."""
    if work.settles:
        index.settle_many(work.settles)
    if work.unlinks:
        index.unlink_many(work.unlinks)
