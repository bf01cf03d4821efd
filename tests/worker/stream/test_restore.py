from __future__ import annotations

import orjson

from schemas import topics
from schemas.decision import standing
from tests.system.cluster import Cluster, delete_record
from tests.worker.stream.conftest import offer
from tests.worker.stream.test_worker import Start, answered, cluster, start
from worker.blocking import Delete, StoredOffer, Upsert
from worker.stream.metrics import RESTORED
from worker.stream.records import Record
from worker.stream.restore import CHUNK, as_write, chunks, content

__all__ = ["cluster", "start"]


def test_an_emptied_index_is_restored_with_its_links(cluster: Cluster, start: Start) -> None:
    running = start()
    offers = [offer(number, f"sony camera w{number // 2}") for number in range(8)]
    cluster.upsert(*offers)
    cluster.produce([delete_record(offers[0])])
    answered(cluster, 9)
    with cluster.redis() as client:
        client.flushdb()
    cluster.upsert(offer(9, "sony camera w3"))
    # It is judged against all seven that are left, and finds its match.
    answer = answered(cluster, 10)["s:9"]
    assert answer.candidates == 5
    assert running.metrics.value(RESTORED, kind="offer") == 7
    assert running.metrics.value(RESTORED, kind="tombstone") == 1
    assert standing(cluster.decisions())["s:6#s:9"].verdict == "match"
    # The link came back too, with its standing decision: what is unchanged is not judged again, a delete retracts it.
    before = standing(cluster.decisions())["s:2#s:3"]
    cluster.upsert(offers[2])
    again = answered(cluster, 11)["s:2"]
    assert before.decision_id in again.standing_ids
    cluster.produce([delete_record(offers[3])])
    answered(cluster, 12)
    assert standing(cluster.decisions())["s:2#s:3"].verdict == "retracted"


def test_the_catalogue_says_what_the_index_must_hold(cluster: Cluster, start: Start) -> None:
    start()
    cluster.upsert(offer(1, version=4), offer(2))
    cluster.produce([delete_record(offer(2))])
    answered(cluster, 3)
    writes = [as_write(record) for record in cluster.read(topics.OFFERS)]
    upserts = {write.offer.key: write for write in writes if isinstance(write, Upsert)}
    assert upserts["s:1"].offer.version == 4
    assert [write.key for write in writes if isinstance(write, Delete)] == ["s:2"]
    assert as_write(Record("t", 0, 0, None, None)) is None


def test_only_the_judged_content_is_content() -> None:
    one = offer(1)
    stored = StoredOffer(one.key, 1, None, one.digest(), False, orjson.dumps(one.model_dump(exclude_none=True)))
    assert content(stored, one.digest()) == one
    assert content(stored, "another") is None
    assert content(None, one.digest()) is None
    assert content(StoredOffer(one.key, 2, None, "", True, b""), "") is None


def test_chunks_lose_nothing() -> None:
    records = [Record("t", 0, offset, None, None) for offset in range(CHUNK + 1)]
    assert [len(chunk) for chunk in chunks(iter(records))] == [CHUNK, 1]
    assert list(chunks(iter([]))) == []
