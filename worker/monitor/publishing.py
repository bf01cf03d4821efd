"""Drift events to match.drift."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaException, Producer

from schemas import topics
from schemas.drift import DriftEvent
from schemas.events import dumps, event_headers
from schemas.settings import Settings
from schemas.topics import PARTITIONER
from worker.stream.clients import reader_config
from worker.stream.errors import Unavailable
from worker.stream.session import ASK_TIMEOUT


def publisher(settings: Settings) -> Callable[[list[DriftEvent]], None]:
    """Publishes events and returns once the broker has them. Raises Unavailable."""
    topic = settings.kafka.topic(topics.DRIFT)
    producer = Producer({**reader_config(settings.kafka), "enable.idempotence": True, "partitioner": PARTITIONER})

    def publish(events: list[DriftEvent]) -> None:
        failed: list[str] = []
        try:
            for event in events:
                producer.produce(
                    topic, key=event.stream.encode(), value=dumps(event), headers=[*event_headers(event)],
                    on_delivery=lambda error, _: failed.append(str(error)) if error is not None else None,
                )  # fmt: skip
            left = producer.flush(2 * ASK_TIMEOUT) if events else 0
        except (KafkaException, BufferError) as error:
            raise Unavailable("kafka", str(error)) from error
        if left or failed:
            raise Unavailable("kafka", failed[0] if failed else f"{left} drift events are not delivered")

    return publish
