"""Reading `match.decisions` from its start to where it ends now, committed decisions only.

The log is the truth: which of a pair's decisions stands is asked of `schemas.decision`, and never of Redis. A reader
that stops at the end offsets found here and a reader that goes on from them miss nothing and see nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import ValidationError

from schemas.decision import MatchDecision
from schemas.events import UnknownMajorVersion
from schemas.sections import KafkaSettings
from schemas.topics import DECISIONS

POLL_S = 1.0
# A broker that sends nothing for so long, with records left to read, is gone.
SILENCE_S = 60.0
BATCH = 500


class LogUnreadable(Exception):
    """The log of decisions could not be read to its end; the text says why."""


@dataclass(frozen=True)
class Bounds:
    """What there is to read, by partition: from `starts` (inclusive) to `ends` (exclusive, the last stable offset)."""

    topic: str
    starts: dict[int, int]
    ends: dict[int, int]

    @property
    def size(self) -> int:
        """Records at most: transaction markers and removed records count, too."""
        return sum(max(0, end - self.starts.get(number, 0)) for number, end in self.ends.items())


def bounds(kafka: KafkaSettings, name: str = DECISIONS) -> Bounds:
    """Where a topic begins and where it ends for `read_committed` now. Raises LogUnreadable."""
    topic = kafka.topic(name)
    consumer = Consumer(_consumer_config(kafka))
    try:
        metadata = consumer.list_topics(topic, timeout=kafka.request_timeout_s).topics[topic]
        if metadata.error is not None:
            raise LogUnreadable(f"the topic {topic} does not exist: run `samesku topics apply` first")
        partitions = [TopicPartition(topic, number) for number in metadata.partitions]
        # For a reader of committed records the end is the last stable offset, where the first open transaction begins.
        marks = {
            each.partition: consumer.get_watermark_offsets(each, timeout=kafka.request_timeout_s) for each in partitions
        }
    except KafkaException as error:
        raise LogUnreadable(f"{topic}: {error}") from error
    finally:
        consumer.close()
    starts, ends = ({number: mark[side] for number, mark in marks.items()} for side in (0, 1))
    return Bounds(topic, starts, ends)


def read_decisions(
    kafka: KafkaSettings,
    span: Bounds,
    wanted: Callable[[bytes], bool] = lambda key: True,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[MatchDecision]:
    """Every committed decision of the span whose Kafka key (the pair id) is wanted; `progress` gets records passed.

    Raises LogUnreadable: the broker fell silent, or a record is no decision that this code can read.
    """
    for message in read_messages(kafka, span, wanted, progress):
        yield _decision(message)


def read_messages(
    kafka: KafkaSettings,
    span: Bounds,
    wanted: Callable[[bytes], bool] = lambda key: True,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[Message]:
    """Every committed record of the span whose Kafka key is wanted; `progress` gets records passed.

    Raises LogUnreadable: the broker fell silent or failed.
    """
    left = {number for number, end in span.ends.items() if end > span.starts.get(number, 0)}
    if not left:
        return
    consumer = Consumer(_consumer_config(kafka))
    consumer.assign([TopicPartition(span.topic, number, span.starts.get(number, 0)) for number in sorted(left)])
    passed, silence = 0, 0.0
    try:
        while left:
            messages = consumer.consume(BATCH, timeout=POLL_S)
            silence = 0.0 if messages else silence + POLL_S
            if silence >= SILENCE_S:
                raise LogUnreadable(f"{span.topic}: no answer for {SILENCE_S:.0f} s at {passed} of {span.size} records")
            for message in messages:
                number, offset = message.partition(), message.offset()
                if number is None or offset is None:
                    continue
                error = message.error()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise LogUnreadable(f"{span.topic}: {error.str()}")
                elif offset < span.ends[number]:
                    passed += 1
                    if wanted(as_bytes(message.key())):
                        yield message
                # At the end of a partition the "offset" is that of the next record; else it is this record's own.
                if number in left and (offset if error is not None else offset + 1) >= span.ends[number]:
                    left.discard(number)
            progress(passed)
    finally:
        consumer.close()


def _consumer_config(kafka: KafkaSettings) -> dict[str, Any]:
    return {
        **kafka.client_config(),
        # Required by the library and never used: partitions are assigned by hand and nothing is committed.
        "group.id": f"{kafka.group_id}-reader",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    }


def _decision(message: Message) -> MatchDecision:
    try:
        return MatchDecision.model_validate_json(as_bytes(message.value()))
    except (ValidationError, UnknownMajorVersion) as error:
        where = f"{message.topic()}[{message.partition()}]@{message.offset()}"
        raise LogUnreadable(f"{where} is no decision that this version can read: {error}") from error


def as_bytes(value: str | bytes | None) -> bytes:
    """A key or a value as the client hands it out, as bytes; nothing is no bytes."""
    return value.encode("utf-8") if isinstance(value, str) else value or b""
