"""What stands in a partition after an offset, as a `read_committed` reader sees it: no group, no offsets of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.sections import KafkaSettings
from worker.stream.clients import assigned_config, reader_config
from worker.stream.errors import Unavailable
from worker.stream.session import ASK_TIMEOUT

# Seconds without a message or an end of partition after which the broker counts as gone.
SILENCE = 15.0


@dataclass(frozen=True)
class Found:
    """One committed record."""

    offset: int
    at_ms: int
    value: bytes | None


class CommittedReader:
    """Reads ranges of partitions. Raises Unavailable when the broker is."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._consumer = Consumer(assigned_config(kafka, "monitor", "earliest"))
        self._admin = AdminClient(reader_config(kafka))

    def close(self) -> None:
        self._consumer.close()

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic; none when it does not exist."""
        try:
            found = self._admin.list_topics(topic, timeout=ASK_TIMEOUT).topics.get(topic)
        except KafkaException as error:
            raise Unavailable("kafka", str(error)) from error
        return sorted(found.partitions) if found is not None and found.error is None else []

    def ends(self, topic: str, partitions: list[int]) -> dict[int, int]:
        """Where each partition ends, open transactions included (the high watermark)."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(topic, number): latest for number in partitions}
        try:
            futures = self._admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=ASK_TIMEOUT
            )
            return {place.partition: future.result(2 * ASK_TIMEOUT).offset for place, future in futures.items()}
        except KafkaException as error:
            raise Unavailable("kafka", str(error)) from error

    def next_after(self, topic: str, partition: int, offset: int) -> Found | int:
        """The first committed record from `offset` on, or where the committed part ends if there is none."""
        for message in self._messages(topic, partition, offset):
            error = message.error()
            if error is not None:
                return int(message.offset() or 0)
            return _found(message)
        raise Unavailable("kafka", f"{topic}/{partition}: neither a record nor an end")

    def read(self, topic: str, partition: int, start: int, stop: int) -> list[Found]:
        """The committed records in [start, stop)."""
        return list(self.stream(topic, partition, start, stop))

    def stream(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Found]:
        """The same, one by one."""
        for message in self._messages(topic, partition, start):
            if message.error() is not None or int(message.offset() or 0) >= stop:
                return
            yield _found(message)
        raise Unavailable("kafka", f"{topic}/{partition}: neither a record nor an end")

    def _messages(self, topic: str, partition: int, start: int) -> Iterator[Message]:
        """Messages from `start` on; an end of partition comes as a message with an error. Ends after silence."""
        self._consumer.assign([TopicPartition(topic, partition, start)])
        try:
            while (message := self._consumer.poll(SILENCE)) is not None:
                error = message.error()
                if error is None or error.code() == KafkaError._PARTITION_EOF:
                    yield message
                elif not error.retriable():
                    raise Unavailable("kafka", error.str())
        finally:
            self._consumer.unassign()


def _found(message: Message) -> Found:
    return Found(int(message.offset() or 0), message.timestamp()[1], message.value())
