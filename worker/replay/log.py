"""Reading ranges of topics beside the live workers: assigned by hand, nothing committed, committed records only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.sections import KafkaSettings
from worker.replay.errors import LogUnreadable, WrongRequest
from worker.replay.span import Point, Span, between
from worker.stream.clients import assigned_config
from worker.stream.records import Record
from worker.stream.session import as_record

PURPOSE = "replay"
BATCH = 500
POLL_S = 1.0
# A broker that sends nothing for so long, with records left to read, is gone.
SILENCE_S = 60.0


def resolve(kafka: KafkaSettings, topic: str, begin: Point, end: Point) -> Span:
    """The offsets of a range (`topic` is a full name). The end is at most where the first open transaction begins.

    Raises LogUnreadable and WrongRequest.
    """
    consumer = Consumer(assigned_config(kafka, PURPOSE, "error"))
    try:
        metadata = consumer.list_topics(topic, timeout=kafka.request_timeout_s).topics[topic]
        if metadata.error is not None:
            raise WrongRequest(f"the topic {topic} does not exist; make it with `samesku topics apply`")
        low, high = _bounds(consumer, topic, list(metadata.partitions), kafka.request_timeout_s)
        begin, end = (_at_offsets(consumer, topic, point, low, high, kafka.request_timeout_s) for point in (begin, end))
    except KafkaException as error:
        raise LogUnreadable(f"{topic}: {error}") from error
    finally:
        consumer.close()
    return between(topic, begin, end, low, high)


def ends_of(kafka: KafkaSettings, topic: str) -> dict[int, int]:
    """Where each partition ends for a reader of committed records now. Raises LogUnreadable and WrongRequest."""
    return resolve(kafka, topic, Point(edge="start"), Point(edge="end")).ends


def read(
    kafka: KafkaSettings,
    span: Span,
    wanted: Callable[[bytes], bool] = lambda key: True,
    passed: Callable[[int], None] = lambda count: None,
    gone: Literal["error", "earliest"] = "error",
) -> Iterator[Record]:
    """Every committed record of the span whose key is wanted; `passed` gets how many records each fetch brought.

    What retention removes meanwhile is an error, unless `gone` says that what is left is enough. Raises LogUnreadable.
    """
    left = {number for number, end in span.ends.items() if end > span.starts[number]}
    if not left:
        return
    consumer = Consumer(assigned_config(kafka, PURPOSE, gone))
    consumer.assign([TopicPartition(span.topic, number, span.starts[number]) for number in sorted(left)])
    silence = 0.0
    try:
        while left:
            messages = consumer.consume(BATCH, timeout=POLL_S)
            silence = 0.0 if messages else silence + POLL_S
            if silence >= SILENCE_S:
                raise LogUnreadable(
                    f"{span.topic}: no answer for {SILENCE_S:.0f} s before partitions {sorted(left)} end"
                )
            for message in messages:
                number, offset, error = message.partition(), message.offset(), message.error()
                if number is None or offset is None:
                    continue
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF and not error.retriable():
                        raise LogUnreadable(f"{span.topic}: {error.str()}")
                elif offset < span.ends[number]:
                    record = as_record(message)
                    if wanted(record.key or b""):
                        yield record
                # At the end of a partition the "offset" is that of the next record; else it is this record's own.
                if number in left and (offset if error is not None else offset + 1) >= span.ends[number]:
                    left.discard(number)
            passed(len(messages))
    finally:
        consumer.close()


def _bounds(
    consumer: Consumer, topic: str, partitions: list[int], timeout: float
) -> tuple[dict[int, int], dict[int, int]]:
    marks = {
        number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=timeout) for number in partitions
    }
    return {number: mark[0] for number, mark in marks.items()}, {number: mark[1] for number, mark in marks.items()}


def _at_offsets(
    consumer: Consumer, topic: str, point: Point, low: dict[int, int], high: dict[int, int], timeout: float
) -> Point:
    """The first record at or after a time, in each partition."""
    at = point.milliseconds
    if at is None:
        return point
    found = consumer.offsets_for_times([TopicPartition(topic, number, at) for number in sorted(high)], timeout=timeout)
    # A negative offset: nothing is that young. One beyond the end: it is in a transaction that is still open.
    offsets = {each.partition: each.offset if each.offset >= 0 else high[each.partition] for each in found}
    return Point(offsets={number: min(max(offset, low[number]), high[number]) for number, offset in offsets.items()})
