"""The demo's eyes: decisions, answers and dead letters as a downstream service sees them, committed ones only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas.answer import Answer
from schemas.deadletter import DeadLetter, read_dead_letter
from schemas.decision import MatchDecision
from schemas.sections import KafkaSettings
from schemas.topics import ANSWERS, DEAD_LETTERS, DECISIONS

Seen = MatchDecision | Answer | DeadLetter

BATCH = 200


class Reader:
    """Reads the three topics from their start. Not thread-safe."""

    def __init__(self, kafka: KafkaSettings) -> None:
        """Connect. Raises KafkaException."""
        self._topics = {kafka.topic(name): name for name in (DECISIONS, ANSWERS, DEAD_LETTERS)}
        config: dict[str, Any] = {
            **kafka.client_config(),
            "group.id": f"{kafka.group_id}-demo-reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            # The worker writes a batch when it is judged; what is here should be shown at once.
            "fetch.wait.max.ms": 50,
        }
        self._consumer = Consumer(config)
        self._consumer.assign(
            [
                TopicPartition(topic, number, 0)
                for topic in self._topics
                for number in self._consumer.list_topics(topic, timeout=kafka.request_timeout_s)
                .topics[topic]
                .partitions
            ]
        )

    def read(self, seconds: float) -> Iterator[Seen]:
        """What came within that time, in the order of each partition. Raises KafkaException."""
        for message in self._consumer.consume(BATCH, timeout=seconds):
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            yield self._parse(message)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _parse(self, message: Message) -> Seen:
        name = self._topics[message.topic() or ""]
        if name == DEAD_LETTERS:
            headers: Any = message.headers() or []
            return read_dead_letter(headers)
        value = message.value() or b""
        return MatchDecision.model_validate_json(value) if name == DECISIONS else Answer.model_validate_json(value)
