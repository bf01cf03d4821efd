"""A client that hangs, which no fault brings about at will; all else of the checkpoint is shown in tests/system."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from schemas import topics
from tests.system.cluster import Cluster
from worker.stream import logs
from worker.stream.backoff import Patience
from worker.stream.clients import consumer_config, producer_config
from worker.stream.errors import ProducerReplaced
from worker.stream.metrics import TRANSACTIONS, Metrics
from worker.stream.records import Outgoing
from worker.stream.transaction import Checkpoint

pytestmark = pytest.mark.system


@pytest.fixture
def cluster(kafka: str, redis_url: str) -> Iterator[Cluster]:
    made = Cluster(kafka, redis_url, Path("none"), partitions=1)
    made.make_topics()
    yield made
    made.close()


def test_a_producer_that_hangs_is_replaced_and_nothing_of_its_batch_is_seen(cluster: Cluster) -> None:
    released = threading.Event()

    class Hanging(Producer):
        def send_offsets_to_transaction(self, *given: Any) -> None:
            released.wait()

    settings = cluster.settings()
    producers = iter([Hanging, Producer])
    metrics, log = Metrics(), logs.configure(settings.log)
    checkpoint = Checkpoint(
        lambda: next(producers)(producer_config(settings.kafka)),
        Patience(time.sleep, time.monotonic, metrics, log, 0.1, 0.1), time.monotonic, metrics, log, lost_after=0.5,
    )  # fmt: skip
    consumer = Consumer(consumer_config(settings.kafka))
    checkpoint.open()
    changes, out = cluster.topic(topics.CHANGES), cluster.topic(topics.ANSWERS)
    try:
        with pytest.raises(ProducerReplaced, match="has not come back"):
            checkpoint.commit([Outgoing(out, b"k", b"lost", [])], {0: 1}, changes, consumer.consumer_group_metadata)
        checkpoint.commit([Outgoing(out, b"k", b"kept", [])], {0: 2}, changes, consumer.consumer_group_metadata)
        assert [record.value for record in cluster.read(topics.ANSWERS)] == [b"kept"]
        assert metrics.value(TRANSACTIONS, result="in_doubt") == 1
    finally:
        released.set()
        consumer.close()
