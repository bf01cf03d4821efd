"""A bulk load holds itself back while the workers are behind."""

from __future__ import annotations

import itertools
from contextlib import closing

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from pydantic import SecretStr

from samesku.load.lag import Gate, GroupLag, LagUnknown
from samesku.load.send import ChangeProducer
from schemas.sections import KafkaSettings


class Workers:
    """A group whose lag grows with what is let through and shrinks while the gate waits."""

    def __init__(self, lag: int, speed: int) -> None:
        self.lag, self.speed, self.asked, self.highest = lag, speed, 0, lag
        self.told: list[int] = []

    def __call__(self) -> int:
        self.asked += 1
        return self.lag

    def work(self, seconds: float) -> None:
        self.lag = max(0, self.lag - self.speed)

    def take(self) -> None:
        self.lag += 1
        self.highest = max(self.highest, self.lag)


def test_the_lag_never_grows_beyond_the_limit() -> None:
    workers = Workers(lag=0, speed=30)
    gate = Gate(workers, 100, 1.0, workers.work, workers.told.append)
    for _ in range(1_000):
        gate.pass_one()
        workers.take()
    assert workers.highest == 100
    assert set(workers.told) == {100}


def test_it_waits_for_workers_that_were_behind_before() -> None:
    workers = Workers(lag=500, speed=150)
    Gate(workers, 100, 1.0, workers.work, workers.told.append).pass_one()
    assert workers.told == [500, 350, 200]


def test_the_lag_is_asked_for_only_when_the_room_is_used_up() -> None:
    workers = Workers(lag=40, speed=0)
    gate = Gate(workers, 100, 1.0, workers.work, workers.told.append)
    for _ in range(60):
        gate.pass_one()
    assert workers.asked == 1


def test_no_limit_asks_nobody() -> None:
    workers = Workers(lag=10**9, speed=0)
    Gate(workers, 0, 1.0, workers.work, workers.told.append).pass_one()
    assert workers.asked == 0


def test_the_lag_of_a_real_group(kafka: str) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka, group_id="lag-test")
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic("lag.changes", num_partitions=2)])["lag.changes"].result(30)
    lag = GroupLag(settings, "lag.changes")
    assert lag() == 0
    producer = ChangeProducer(settings, "lag.changes")
    for number in range(50):
        producer.send(f"shop:{number}".encode(), b"{}")
    producer.flush()
    assert producer.delivered == 50
    assert lag() == 50
    consumer = Consumer({**settings.client_config(), "group.id": settings.group_id, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("lag.changes", 0, 0)])
    first = consumer.get_watermark_offsets(TopicPartition("lag.changes", 0), timeout=10)[1]
    assert 0 < first < 50
    consumer.commit(offsets=[TopicPartition("lag.changes", 0, first)], asynchronous=False)
    consumer.close()
    assert lag() == 50 - first
    lag.close()


def test_an_unreachable_broker_is_said_so() -> None:
    settings = KafkaSettings(
        bootstrap_servers="127.0.0.1:9",
        group_id="g",
        request_timeout_s=0.2,
        client_properties={"log_level": SecretStr("0")},
    )
    with closing(GroupLag(settings, "t")) as lag, pytest.raises(LagUnknown, match="group 'g'"):
        lag()


def test_room_is_never_negative() -> None:
    answers = itertools.chain([300, 300], itertools.repeat(0))
    told: list[int] = []
    Gate(lambda: next(answers), 100, 1.0, lambda seconds: None, told.append).pass_one()
    assert told == [300, 300]
