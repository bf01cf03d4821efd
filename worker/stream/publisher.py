"""Transactions of one that is no member of the workers' group: a replay that publishes, an operator's action.

The slot makes the transactional id, so that the same purpose and name fences its own dead predecessor and nobody else.
Non-goal: what is published, and what is done when a transaction is aborted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, Producer

from schemas.settings import Settings
from worker.stream.backoff import Log, Patience
from worker.stream.clients import producer_config, reader_config
from worker.stream.metrics import Metrics
from worker.stream.records import Outgoing
from worker.stream.transaction import Checkpoint


class Publisher:
    """One transactional producer; `open` first, `close` in the end."""

    def __init__(self, settings: Settings, purpose: str, name: str, log: Log) -> None:
        kafka, stream = settings.kafka.model_copy(update={"slot": f"{purpose}-{name}"}), settings.stream
        metrics = Metrics()
        patience = Patience(
            time.sleep, time.monotonic, metrics, log, stream.backoff_initial_s, stream.backoff_max_s
        )  # fmt: skip
        self._checkpoint = Checkpoint(
            lambda: Producer(producer_config(kafka)), patience, time.monotonic, metrics, log
        )  # fmt: skip
        # Never subscribed: it only lends the name under which a transaction without offsets is sent.
        self._member = Consumer({**reader_config(kafka), "group.id": f"{kafka.group_id}-{purpose}"})

    def open(self) -> None:
        """Settle what a predecessor left open. Waits while Kafka is gone."""
        self._checkpoint.open()

    def commit(self, outgoing: Sequence[Outgoing]) -> None:
        """Publish all of it in one transaction. Raises what `Checkpoint.commit` raises."""
        self._checkpoint.commit(outgoing, {}, "", self._member.consumer_group_metadata)

    def close(self) -> None:
        """Leave the broker."""
        self._checkpoint.close()
        self._member.close()
