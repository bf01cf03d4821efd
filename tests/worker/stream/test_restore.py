from __future__ import annotations

import orjson

from schemas import topics
from schemas.decision import standing
from tests.system.cluster import Cluster, delete_record
from tests.worker.stream.conftest import offer
from tests.worker.stream.test_worker import Start, answered, cluster, start
from worker.stream.metrics import RESTORED

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
    answers = answered(cluster, 10)
    assert running.metrics.value(RESTORED, kind="offer") == 7
    assert running.metrics.value(RESTORED, kind="tombstone") == 1
