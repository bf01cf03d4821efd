"""Why a pair was never compared, asked of a real index."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.answer import Answer
from schemas.events import Position
from schemas.offer import Offer
from tests.decisions import NOW
from tests.worker.audit.making import fill, offer, offer_record, tombstone
from worker.audit.absence import Absence, absence, known_offers
from worker.audit.contents import Contents
from worker.audit.store import AuditStore
from worker.audit.tables import OFFERS
from worker.blocking import BlockingSettings, Index

NEAR = [offer(n, "b", "sony cyber-shot dsc-w120 digital camera") for n in range(30)]
QUERY = offer(1, "q", "sony cyber-shot dsc-w120 digital camera")
FAR = offer(50, "b", "sony walkman")
ALIEN = offer(51, "b", "qqqqq").model_copy(update={"title": "qqqqq"})


def build(redis_url: str, **settings: Any) -> Index:
    index = Index.connect(redis_url, settings=BlockingSettings(**settings))
    index.initialise("g")
    index.upsert_many([(each, 7) for each in [QUERY, FAR, ALIEN, *NEAR]])
    return index


def ask(index: Index | None, a: Offer, b: Offer, k: int = 5, **answers: Answer) -> Absence:
    known = known_offers(index, {a.key: [], b.key: []}, answers)
    return absence(index, (known[0], known[1]), {each.key: each for each in (a, b)}, k)


def answered(made: Offer, k: int) -> Answer:
    return Answer(
        source=Position(topic="catalog.changes", partition=0, offset=7), key=made.key, op="upsert", outcome="judged",
        k_requested=10, k_effective=k, candidates=k, lag=6_000, answered_at=NOW,
    )  # fmt: skip


def test_beyond_the_candidates_that_were_asked_for(redis_url: str) -> None:
    index = build(redis_url)
    found = ask(index, QUERY, FAR)
    assert found.reason == "beyond_k"
    ranks = {look.query: look.rank for look in found.looks}
    assert ranks == {
        each.key: next(c.rank for c in index.candidates(each, 1_000) if c.key == other.key) - 1
        for each, other in ((QUERY, FAR), (FAR, QUERY))
    }
    assert all(rank is not None and rank >= 5 for rank in ranks.values())
    assert "b:50 is number" in found.text


def test_fewer_candidates_under_lag(redis_url: str) -> None:
    index = build(redis_url)
    second = index.candidates(QUERY, 2)[1].key
    other = next(each for each in NEAR if each.key == second)
    near = {look.query: look.rank for look in ask(index, QUERY, other, k=50).looks}
    assert near[QUERY.key] == 1
    assert ask(index, QUERY, other, k=50).reason == "pending"
    answers = {QUERY.key: answered(QUERY, 1), other.key: answered(other, 1)}
    known = known_offers(index, {QUERY.key: [], other.key: []}, answers)
    found = absence(index, (known[0], known[1]), {each.key: each for each in (QUERY, other)}, 50)
    assert (found.reason, [look.k for look in found.looks]) == ("beyond_k", [1, 1])


def test_no_term_in_common(redis_url: str) -> None:
    assert ask(build(redis_url), QUERY, ALIEN).reason == "no_shared_terms"


def test_every_common_term_is_pruned(redis_url: str) -> None:
    found = ask(build(redis_url, max_posting=2, max_read=40), FAR, QUERY)
    assert found.reason == "pruned"
    assert all(frequency > 2 for look in found.looks for frequency in look.pruned.values())


def test_below_the_least_score(redis_url: str) -> None:
    found = ask(build(redis_url, min_score=1_000.0), QUERY, NEAR[0], k=50)
    assert found.reason == "below_min_score"
    assert found.looks[0].score is not None


def test_of_one_seller(redis_url: str) -> None:
    assert ask(build(redis_url, exclude_same_source=True), NEAR[0], NEAR[1], k=50).reason == "same_source"


def test_unknown_and_deleted(redis_url: str) -> None:
    index = build(redis_url)
    stranger = offer(99, "z")
    found = ask(index, QUERY, stranger)
    assert (found.reason, found.offers[1].state) == ("unknown", "unknown")
    index.delete(FAR.key, 9)
    found = ask(index, QUERY, FAR)
    assert (found.reason, found.offers[1].effective_version) == ("deleted", 9)


@pytest.mark.parametrize(("deleted", "reason"), [(False, "unasked"), (True, "deleted")])
def test_without_an_index_the_store_says_what_it_knows(store: AuditStore, deleted: bool, reason: str) -> None:
    records = [offer_record(QUERY, 0, 3), offer_record(FAR, 1, 4)]
    fill(store, OFFERS, [*records, *([tombstone(FAR.key, 2, 5)] if deleted else [])])
    contents = Contents(store)
    versions = {each.key: contents.of_offer(each.key) for each in (QUERY, FAR)}
    known = known_offers(None, versions, {})
    found = absence(None, (known[0], known[1]), {}, 5)
    assert found.reason == reason
    assert [each.seen_by for each in found.offers] == ["store", "store"]
