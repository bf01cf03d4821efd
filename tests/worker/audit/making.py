"""Records of the three topics, as the broker would hand them out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas import topics
from schemas.decision import MatchDecision
from schemas.events import Position, dumps
from schemas.label import Label
from schemas.offer import Offer
from schemas.offer_record import HEADER_EFFECTIVE_VERSION, OfferRecord
from schemas.rationale import ATTRIBUTES
from tests.decisions import NOW, decision
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, OFFERS, Table
from worker.stream.records import Record

BORN = 1_800_000_000_000


def offer(number: int, source: str = "a", title: str = "sony camera", **fields: Any) -> Offer:
    return Offer.model_validate({"offer_id": str(number), "source": source, "title": f"{title} {number}", **fields})


def judged(a: Offer, b: Offer, versions: tuple[int, int] = (1, 1), **fields: Any) -> MatchDecision:
    """A decision with everything that one can have."""
    made = decision(a.key, b.key, "match", versions)
    digests = {a.key: a.digest(), b.key: b.digest()}
    at = fields.pop("decided_at", NOW + timedelta(seconds=versions[0]))
    seen = {"verdict": "same", "probability": 0.875, "p_same": 0.875, "p_different": 0.1, "p_unknown": 0.025}
    quotes = [{"offer": each.key, "text": each.title} for each in (a, b)]
    more = {
        "first": {**made.first.model_dump(), "digest": digests[made.first.key]},
        "second": {**made.second.model_dump(), "digest": digests[made.second.key], "seller_version": 7},
        "logit": 2.25,
        "rationale": {
            "attributes": dict.fromkeys(ATTRIBUTES, seen), "answer": "same",
            "sentence": f'Both are "{a.title}" and "{b.title}".', "quotes": quotes,
        },
        "thresholds": {"match": 0.5, "review_low": 0.4, "review_high": 0.6},
        "timings": {"judge_ms": 81.5, "explain_ms": 212.25},
        "candidate_rank": 0, "candidate_score": 31.5, "decided_at": at,
        **fields,
    }  # fmt: skip
    return MatchDecision.model_validate({**made.model_dump(), **more})


def decision_record(made: MatchDecision, offset: int, partition: int = 0) -> Record:
    return Record(topics.DECISIONS, partition, offset, made.pair_id.encode(), dumps(made), [], BORN + offset)


def offer_record(made: Offer, offset: int, version: int = 1, at: datetime = NOW, partition: int = 0) -> Record:
    stored = OfferRecord(
        key=made.key, offer=made, effective_version=version, digest=made.digest(), indexed_at=at,
        source=Position(topic=topics.CHANGES, partition=partition, offset=version),
    )  # fmt: skip
    return Record(topics.OFFERS, partition, offset, made.key.encode(), dumps(stored), [], BORN + offset)


def tombstone(key: str, offset: int, version: int, partition: int = 0) -> Record:
    headers: list[tuple[str, bytes | None]] = [(HEADER_EFFECTIVE_VERSION, str(version).encode())]
    return Record(topics.OFFERS, partition, offset, key.encode(), None, headers, BORN + offset)


def label_record(pair: str, offset: int) -> Record:
    label = Label(
        label_id=f"label{offset}", pair_id=pair, first_digest="f", second_digest="s", verdict="no_match", reviewer="r1",
        labeled_at=datetime(2026, 11, 24, tzinfo=UTC), note="another colour",
    )  # fmt: skip
    return Record(topics.LABELS, 0, offset, pair.encode(), dumps(label), [], BORN + offset)


def fill(store: AuditStore, table: Table, records: list[Record], end: int | None = None, start: int = 0) -> None:
    """Append records of one partition as a sink would."""
    upto = end if end is not None else records[-1].offset + 1
    store.append(table, records[0].partition, start, upto, [table.row(record) for record in records])


def fill_pairs(store: AuditStore, count: int, files: int = 1, versions: int = 1) -> list[MatchDecision]:
    """`count` pairs with contents and a decision a version, in partition 0, in so many files."""
    left, right = [offer(n, "a") for n in range(count)], [offer(n, "b") for n in range(count)]
    fill(store, OFFERS, [offer_record(each, place) for place, each in enumerate([*left, *right])])
    made = [judged(a, b, (v, 1)) for v in range(1, versions + 1) for a, b in zip(left, right, strict=True)]
    step = -(-len(made) // files)
    for start in range(0, len(made), step):
        part = made[start : start + step]
        fill(store, DECISIONS, [decision_record(each, start + n) for n, each in enumerate(part)], start=start)
    return made
