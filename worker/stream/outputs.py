"""From what came of a change to the records that say so. Pure.

Where each goes: decisions and review tasks by pair id, the answer by the change's key as it came, the valid offer by
its key *into the partition of its input* (so that whoever serves a partition can restore it), and what cannot be used,
byte for byte, to the dead letters (decision 9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version

from schemas import topics
from schemas.answer import Answer, Outcome
from schemas.change import CatalogChange
from schemas.deadletter import MAX_DEAD_LETTER_BYTES, dead_letter_headers
from schemas.decision import MatchDecision
from schemas.events import BadEvent, Event, dumps, event_headers
from schemas.offer import Offer
from schemas.offer_record import HEADER_EFFECTIVE_VERSION, HEADER_SELLER_VERSION, OfferRecord
from schemas.review import ReviewTask
from worker.blocking.records import LinkState, Settle, Written
from worker.stream.judging import Followed
from worker.stream.records import Headers, Outgoing, Record

WORKER_VERSION = version("samesku")


@dataclass
class Result:
    """Everything about one change that is to be published, and what to do in the index after the commit."""

    record: Record
    answer: Answer
    outgoing: list[Outgoing] = field(default_factory=list)
    decisions: list[MatchDecision] = field(default_factory=list)
    settles: list[Settle] = field(default_factory=list)
    unlinks: list[tuple[str, str, LinkState]] = field(default_factory=list)


class Outputs:
    """Builds results. `topic` gives a topic's full name in this cluster."""

    def __init__(self, topic_prefix: str = "") -> None:
        self._prefix = topic_prefix

    def _topic(self, name: str) -> str:
        return topics.topic_name(name, self._prefix)

    def refused(self, record: Record, refusal: BadEvent, at: datetime) -> Result:
        """A record that cannot be used: its dead letter and its answer."""
        answer = Answer(
            source=record.position, key=_readable(record.key), outcome="dead_lettered",
            reason=refusal.reason, detail=refusal.detail or None, answered_at=at,
        )  # fmt: skip
        return self._result(record, answer, [self.dead_letter(record, refusal, at)])

    def superseded(self, record: Record, change: CatalogChange, written: Written, at: datetime) -> Result:
        """A change that is older than what is indexed."""
        detail = "the seller's version is older" if written.by_seller_version else "a later change was indexed before"
        answer = self._answer(
            record, change, "superseded", at, effective_version=written.standing_version, detail=detail
        )  # fmt: skip
        return self._result(record, answer, [])

    def upserted(
        self, record: Record, change: CatalogChange, written: Written, followed: Followed, at: datetime,
        *, k_requested: int, k_effective: int, lag: int | None,
    ) -> Result:  # fmt: skip
        """An offer that was indexed and, unless it is `index_only`, judged."""
        offer = _offer(change)
        answer = self._answer(
            record, change, upsert_outcome(change.index_only, followed), at,
            effective_version=record.offset,
            candidates=followed.considered,
            k_requested=0 if change.index_only else k_requested,
            k_effective=0 if change.index_only else k_effective,
            lag=lag,
            decision_ids=_ids(followed),
            standing_ids=followed.standing_ids,
            rejudged=followed.rejudged,
            version_conflict=written.equal_version_conflict,
        )  # fmt: skip
        stored = OfferRecord(
            key=change.key, offer=offer, effective_version=record.offset, seller_version=change.version,
            digest=offer.digest(), source=record.position, index_only=change.index_only, indexed_at=at,
        )  # fmt: skip
        headers: Headers = [*event_headers(stored), (HEADER_EFFECTIVE_VERSION, str(record.offset).encode())]
        catalogue = Outgoing(self._topic(topics.OFFERS), change.key.encode(), dumps(stored), headers, record.partition)
        return self._result(record, answer, [catalogue, *self._followed(followed, at)], followed)

    def deleted(
        self, record: Record, change: CatalogChange, written: Written, followed: Followed, at: datetime,
        poison: BadEvent | None = None,
    ) -> Result:  # fmt: skip
        """An offer that is gone; with `poison`, one that was taken out because its last change cannot be processed."""
        outcome: Outcome = "deleted" if written.known else "delete_unknown"
        answer = self._answer(
            record, change, "dead_lettered" if poison is not None else outcome, at,
            effective_version=record.offset,
            candidates=followed.considered,
            decision_ids=_ids(followed),
            reason=poison.reason if poison is not None else None,
            detail=poison.detail if poison is not None else None,
        )  # fmt: skip
        headers: Headers = [(HEADER_EFFECTIVE_VERSION, str(record.offset).encode())]
        if change.version is not None:
            headers.append((HEADER_SELLER_VERSION, str(change.version).encode()))
        tombstone = Outgoing(self._topic(topics.OFFERS), change.key.encode(), None, headers, record.partition)
        letters = [self.dead_letter(record, poison, at)] if poison is not None else []
        return self._result(record, answer, [tombstone, *letters, *self._followed(followed, at)], followed)

    def decided(
        self, decisions: Iterable[MatchDecision], offers: dict[str, Offer], at: datetime
    ) -> Iterator[Outgoing]:  # fmt: skip
        """Decisions, and after each that asks for a person its task; ``offers`` holds the contents judged, by key."""
        for made in decisions:
            yield self._event(topics.DECISIONS, made.pair_id.encode(), made)
            if made.verdict == "review":
                yield self._event(topics.REVIEW, made.pair_id.encode(), review_task(made, offers, at))

    def _followed(self, followed: Followed, at: datetime) -> Iterator[Outgoing]:
        return self.decided(followed.decisions, followed.offers, at)

    def _result(
        self, record: Record, answer: Answer, outgoing: list[Outgoing], followed: Followed | None = None
    ) -> Result:
        outgoing = [*outgoing, self._event(topics.ANSWERS, record.key, answer)]
        if followed is None:
            return Result(record, answer, outgoing)
        return Result(record, answer, outgoing, followed.decisions, followed.settles, followed.unlinks)

    def _answer(
        self, record: Record, change: CatalogChange, outcome: Outcome, at: datetime, **fields: object
    ) -> Answer:
        common = {"source": record.position, "key": change.key, "op": change.op, "outcome": outcome, "answered_at": at}
        return Answer.model_validate({**common, **fields})

    def _event(self, topic: str, key: bytes | None, event: Event) -> Outgoing:
        return Outgoing.event(self._topic(topic), key, event)

    def dead_letter(self, record: Record, refusal: BadEvent, at: datetime) -> Outgoing:
        """The record as it came, with the reason in its headers."""
        value, omitted = record.value, None
        if value is not None and len(value) > MAX_DEAD_LETTER_BYTES:
            omitted, value = f"{len(value)} {hashlib.sha256(value).hexdigest()}", b""
        headers = dead_letter_headers(
            reason=refusal.reason, detail=refusal.detail, source=record.position,
            timestamp_ms=-1 if record.timestamp_ms is None else record.timestamp_ms,
            worker_version=WORKER_VERSION, failed_at=at, original=record.headers, omitted=omitted,
        )  # fmt: skip
        return Outgoing(self._topic(topics.DEAD_LETTERS), record.key, value, headers)


def upsert_outcome(index_only: bool, followed: Followed) -> Outcome:
    """What an upsert's answer is called. An offer that was only indexed may still have had live links to follow up."""
    if index_only:
        return "indexed_only"
    if followed.decisions or followed.shared_ids:
        return "judged"
    return "unchanged" if followed.standing_ids else "no_candidates"


def review_task(made: MatchDecision, offers: dict[str, Offer], at: datetime) -> ReviewTask:
    """The task for a doubtful pair, with a snapshot of both listings as they were judged."""
    return ReviewTask(
        task_id=made.decision_id, pair_id=made.pair_id, decision_id=made.decision_id,
        first=made.first, second=made.second, first_offer=offers[made.first.key],
        second_offer=offers[made.second.key], reasons=made.reasons,
        probability=made.probability, rationale=made.rationale, created_at=at,
    )  # fmt: skip


def _ids(followed: Followed) -> list[str]:
    return [*(made.decision_id for made in followed.decisions), *followed.shared_ids]


def _offer(change: CatalogChange) -> Offer:
    if change.offer is None:
        raise ValueError(f"an upsert of {change.key} without its offer")
    return change.offer


def _readable(key: bytes | None) -> str | None:
    """The key of a refused record as text, if it is text."""
    if key is None:
        return None
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError:
        return None
