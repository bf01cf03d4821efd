"""Whether records lie in the partition that their key names: the order of an offer's changes hangs on it.

One producer that keeps librdkafka's default partitioner (CRC32) among others that use Java's (murmur2) sends the
changes of one offer to two partitions, and nothing fails until an old price wins. So `samesku topics check` looks at
the newest records. Only a sample: a producer that has been silent for long is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from samesku.topics import TopicsError
from schemas.partitioner import partition_of
from schemas.topics import CHANGES, DECISIONS, OFFERS, PARTITIONER

KEYED = (CHANGES, OFFERS, DECISIONS)
"""Topics in which readers rely on one key having one partition. Answers and dead letters carry keys as they came."""

SAMPLE = 200
"""Newest records looked at in each partition."""

POLL_SECONDS = 1.0


@dataclass
class Sampled:
    """What the newest records of one topic look like; `example` is the first misplaced one."""

    topic: str
    records: int = 0
    without_key: int = 0
    misplaced: int = 0
    example: str = ""

    def add(self, key: bytes | None, partition: int, partitions: int) -> None:
        """Count one record."""
        self.records += 1
        if key is None:
            self.without_key += 1
        elif (right := partition_of(key, partitions)) != partition:
            self.misplaced += 1
            self.example = self.example or f"{key.decode('utf-8', 'replace')!r} in {partition} instead of {right}"

    def problems(self) -> list[str]:
        """In words; empty when all is well."""
        told = []
        if self.without_key:
            told.append(f"{self.topic}: {self.without_key} of the newest {self.records} records have no key")
        if self.misplaced:
            told.append(
                f"{self.topic}: {self.misplaced} of the newest {self.records} records lie in a partition that their "
                f"key does not name ({self.example}): a producer does not set partitioner={PARTITIONER}"
            )
        return told


def sample_topic(client: Mapping[str, str], topic: str, timeout_s: float = 30.0, sample: int = SAMPLE) -> Sampled:
    """Look at the newest records of a topic that exists. Joins no group and commits nothing. Raises TopicsError."""
    consumer = Consumer(
        {
            **client,
            "group.id": "samesku-topics-check",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted",
            "log_level": 0,
        }
    )
    try:
        return _sample(consumer, topic, timeout_s, sample)
    except KafkaException as error:
        raise TopicsError(f"{topic} could not be read: {error}") from error
    finally:
        consumer.close()


def _sample(consumer: Consumer, topic: str, timeout_s: float, sample: int) -> Sampled:
    partitions = sorted(consumer.list_topics(topic, timeout=timeout_s).topics[topic].partitions)
    starts = []
    for partition in partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout_s)
        starts.append(TopicPartition(topic, partition, max(low, high - sample)))
    sampled = Sampled(topic)
    consumer.assign(starts)
    for message in _until_end(consumer, starts, int(timeout_s / POLL_SECONDS) + 1):
        sampled.add(message.key(), message.partition() or 0, len(partitions))
    return sampled


def _until_end(consumer: Consumer, starts: Sequence[TopicPartition], patience: int) -> Iterator[Message]:
    open_partitions = {start.partition for start in starts}
    while open_partitions and patience:
        message = consumer.poll(POLL_SECONDS)
        if message is None:
            patience -= 1
            continue
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            open_partitions.discard(message.partition() or 0)
        else:
            raise KafkaException(error)
