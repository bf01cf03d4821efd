"""The producer of `samesku load` and of the demo: idempotent, in order, and partitioned as Java clients do."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.sections import KafkaSettings
from schemas.topics import PARTITIONER

# Longer than a broker's restart, so that a load survives one; then it says so instead of waiting for ever.
DELIVERY_TIMEOUT_MS = 120_000
# A catalogue is a stream of small records: half a batch's wait buys an order of magnitude of throughput.
LINGER_MS = 20
QUEUE_FULL_WAIT_S = 0.5
LOG_ERRORS = 3  # syslog's number


class NotDelivered(Exception):
    """Kafka did not take a change; the text says which and why."""


def producer_config(kafka: KafkaSettings) -> dict[str, Any]:
    """Properties of an idempotent producer that keeps each offer's changes in order."""
    return {
        # Errors only: warnings speak of what the library retries by itself, into the middle of a progress bar.
        "log_level": LOG_ERRORS,
        **kafka.client_config(),
        "partitioner": PARTITIONER,
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": LINGER_MS,
        "compression.type": "lz4",
        "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
    }


class ChangeProducer:
    """Sends records to one topic and knows how many arrived. Not thread-safe."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._producer = Producer(producer_config(kafka))
        self._topic = topic
        self.delivered = 0
        self._failed: str | None = None

    def send(self, key: bytes | None, value: bytes | None) -> None:
        """Queue one record; blocks while the queue is full. Raises NotDelivered for an earlier one that failed."""
        while True:
            self._check()
            try:
                self._producer.produce(self._topic, key=key, value=value, on_delivery=self._on_delivery)
            except BufferError:
                self._producer.poll(QUEUE_FULL_WAIT_S)
                continue
            except KafkaException as error:
                raise NotDelivered(f"{self._topic}: {error}") from error
            self._producer.poll(0)
            return

    def wait(self, seconds: float) -> None:
        """Serve deliveries for up to that long."""
        self._producer.poll(seconds)

    def flush(self, seconds: float = DELIVERY_TIMEOUT_MS / 1000) -> None:
        """Wait until all that was sent has arrived. Raises NotDelivered."""
        left = self._producer.flush(seconds)
        self._check()
        if left:
            raise NotDelivered(f"{self._topic}: {left} changes were not acknowledged within {seconds:.0f} s")

    def _check(self) -> None:
        if self._failed is not None:
            raise NotDelivered(self._failed)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
        elif self._failed is None:
            key = (message.key() or b"").decode("utf-8", "replace")
            self._failed = f"{self._topic}: the change of {key!r} was not delivered: {error.str()}"
