"""Ranges of a real topic: committed records only, from and to where they are asked."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer

from samesku.topics import TopicAdmin
from schemas.sections import KafkaSettings
from schemas.topics import DECISIONS, PARTITIONER
from worker.replay import log
from worker.replay.errors import WrongRequest
from worker.replay.span import Point, Span

START, END = Point(edge="start"), Point(edge="end")


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    made = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"l{uuid.uuid4().hex[:8]}.", partitions=2)
    TopicAdmin(made.client_config()).apply([spec for spec in made.topic_specs() if spec.topic.name == DECISIONS])
    return made


def send(settings: KafkaSettings, *values: str, commit: bool = True, partition: int = 0) -> None:
    """One transaction; its marker takes an offset, too."""
    producer = Producer(
        {**settings.client_config(), "partitioner": PARTITIONER, "transactional.id": f"{settings.topic_prefix}w"}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(settings.topic(DECISIONS), key=value[:1], value=value, partition=partition)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def values(settings: KafkaSettings, span: Span) -> list[bytes | None]:
    return [record.value for record in log.read(settings, span)]


def test_a_range_ends_at_markers_and_leaves_out_what_was_aborted(settings: KafkaSettings) -> None:
    topic = settings.topic(DECISIONS)
    send(settings, "a0", "a1")
    send(settings, "x", commit=False)
    send(settings, "a2")
    send(settings, "b0", partition=1)
    span = log.resolve(settings, topic, START, END)
    assert (span.starts, span.ends) == ({0: 0, 1: 0}, {0: 7, 1: 2})
    assert log.ends_of(settings, topic) == span.ends
    assert sorted(values(settings, span), key=str) == [b"a0", b"a1", b"a2", b"b0"]
    # Ends at a marker, at an aborted record, and before anything; the other partition is not named.
    for begin, end, found in (0, 3, [b"a0", b"a1"]), (1, 4, [b"a1"]), (3, 5, []), (0, 0, []):
        asked = log.resolve(settings, topic, Point(offsets={0: begin}), Point(offsets={0: end}))
        assert values(settings, asked) == found
    wanted = log.read(settings, span, lambda key: key == b"b")
    assert [record.value for record in wanted] == [b"b0"]


def test_times_are_those_of_the_log(settings: KafkaSettings) -> None:
    topic = settings.topic(DECISIONS)
    send(settings, "before")
    time.sleep(0.05)
    between = Point(at=datetime.now(UTC))
    time.sleep(0.05)
    send(settings, "after")
    later = Point(at=datetime(2100, 1, 1, tzinfo=UTC))
    assert values(settings, log.resolve(settings, topic, START, between)) == [b"before"]
    assert values(settings, log.resolve(settings, topic, between, END)) == [b"after"]
    assert values(settings, log.resolve(settings, topic, between, later)) == [b"after"]
    assert values(settings, log.resolve(settings, topic, later, END)) == []


def test_what_is_not_there_is_named(settings: KafkaSettings) -> None:
    with pytest.raises(WrongRequest, match="no offset 9; valid: 0 to 0"):
        log.resolve(settings, settings.topic(DECISIONS), Point(offsets={0: 9}), END)
    with pytest.raises(WrongRequest, match="does not exist"):
        log.resolve(settings, "nowhere", START, END)
