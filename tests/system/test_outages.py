"""Kafka or Redis gone for twenty seconds in the middle: the worker waits, says so, resumes, and nothing is lost."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samesku.embedded.kafka import EmbeddedKafka
from samesku.embedded.redis import EmbeddedRedis
from samesku.embedded.supervise import free_ports
from schemas.answer import Answer
from schemas.decision import standing
from schemas.offer import Offer, pair_id
from tests.system.cluster import Cluster, WorkerProcess, by_position, delete_record

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

# Seconds. This is what is tested, no synchronisation.
OUTAGE = 20.0
OFFERS = [
    Offer(offer_id=str(number), source="s", title=f"sony cyber-shot dsc-w{100 + number} digital camera lot {number}")
    for number in range(24)
]
# Every two offers share trigrams, so with k larger than the catalogue each change is judged against all before it.
EVERY_PAIR: dict[str, Any] = {
    "blocking": {"idf": "fixed", "k": 100},
    "stream": {"batch_size": 2, "lag_policy": []},
    "policy": {
        "match_threshold": 0.4, "review_low": 0.4, "review_high": 0.4, "contradiction": "match", "explain": "never",
    },
}  # fmt: skip


@pytest.fixture
def own_kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def cluster(own_kafka: EmbeddedKafka, own_redis: EmbeddedRedis, tiny_bundle: Path) -> Iterator[Cluster]:
    made = Cluster(own_kafka.address, own_redis.url(0), tiny_bundle, **EVERY_PAIR)
    made.make_topics()
    yield made
    made.close()


def start(cluster: Cluster) -> WorkerProcess:
    """A worker that has begun to answer, with much left to do."""
    worker = cluster.worker()
    cluster.upsert(*OFFERS)
    cluster.await_answers(4)
    return worker


def assert_nothing_lost(cluster: Cluster, answers: list[Answer]) -> None:
    """Exactly one answer a change, every decision that is named, and every pair judged."""
    positions = by_position(answers)
    assert len(positions) == len(OFFERS)
    assert [found for found in positions.values() if len(found) != 1] == []
    decisions = cluster.decisions()
    named = {name for answer in answers for name in (*answer.decision_ids, *answer.standing_ids)}
    assert named <= {made.decision_id for made in decisions}
    keys = [offer.key for offer in OFFERS]
    assert set(standing(decisions)) == {pair_id(a, b) for a in keys for b in keys if a < b}


def waited_for(cluster: Cluster, worker: WorkerProcess, system: str) -> None:
    cluster.wait(
        lambda: any(entry["system"] == system for entry in worker.events("waiting")), f"the worker to wait for {system}"
    )


def health(cluster: Cluster, path: str) -> tuple[int, str]:
    """What the worker answers on its HTTP port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port}{path}", timeout=30) as got:
            return got.status, got.read().decode().strip()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode().strip()


def test_redis_gone(cluster: Cluster, own_redis: EmbeddedRedis) -> None:
    cluster.metrics_port = free_ports(1)[0]
    worker = start(cluster)
    assert [health(cluster, "/livez"), health(cluster, "/readyz")] == [(200, "ok"), (200, "ok")]
    own_redis.kill()
    waited_for(cluster, worker, "redis")
    time.sleep(OUTAGE)
    # A restart would not bring Redis back: alive, and of no use for now.
    assert [health(cluster, "/livez"), health(cluster, "/readyz")] == [(200, "ok"), (503, "waiting for redis")]
    own_redis.start()
    assert_nothing_lost(cluster, cluster.await_answers(len(OFFERS)))
    assert health(cluster, "/readyz") == (200, "ok")
    assert any(entry["system"] == "redis" for entry in worker.events("resumed"))
    assert worker.terminate() == 0


def test_kafka_gone(cluster: Cluster, own_kafka: EmbeddedKafka) -> None:
    worker = start(cluster)
    own_kafka.kill()
    waited_for(cluster, worker, "kafka")
    time.sleep(OUTAGE)
    own_kafka.start()
    assert_nothing_lost(cluster, cluster.await_answers(len(OFFERS)))
    assert any(entry["system"] == "kafka" for entry in worker.events("resumed"))
    assert worker.terminate() == 0


def test_redis_back_empty(cluster: Cluster, own_redis: EmbeddedRedis) -> None:
    worker = start(cluster)
    own_redis.kill()
    before = {answer.source for answer in cluster.answers()}
    waited_for(cluster, worker, "redis")
    time.sleep(OUTAGE)
    own_redis.remove_data()
    own_redis.start()
    answers = cluster.await_answers(len(OFFERS))
    assert_nothing_lost(cluster, answers)
    assert worker.events("index_not_whole")
    assert worker.events("partition_restored")
    # Whatever was answered after the loss was judged against everything that had been answered before it.
    later = [answer for answer in answers if answer.source not in before]
    assert later
    assert [answer for answer in later if answer.candidates < len(before)] == []

    # The links are back as well: a delete finds what it has to retract.
    matched = next(made for made in standing(cluster.decisions()).values() if made.verdict == "match")
    gone = next(offer for offer in OFFERS if offer.key == matched.first.key)
    cluster.produce([delete_record(gone)])
    cluster.await_answers(len(OFFERS) + 1)
    assert standing(cluster.decisions())[matched.pair_id].verdict == "retracted"


def test_a_second_worker_waits_for_partitions_that_the_first_restores(
    cluster: Cluster, own_redis: EmbeddedRedis
) -> None:
    workers = [cluster.worker(slot) for slot in ("0", "1")]
    cluster.wait(lambda: all(w.events("partitions_assigned") for w in workers), "partitions for both workers")
    half = len(OFFERS) // 2
    cluster.upsert(*OFFERS[:half])
    cluster.await_answers(half)
    own_redis.restart_empty()
    cluster.upsert(*OFFERS[half:])
    answers = cluster.await_answers(len(OFFERS))
    assert_nothing_lost(cluster, answers)
    restored = {entry["partition"] for worker in workers for entry in worker.events("partition_restored")}
    assert restored == {0, 1}
