"""A producer with the wrong partitioner is found in the records that it left."""

from __future__ import annotations

import itertools

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from samesku.commands.topics import app
from samesku.partitioning import sample_topic
from samesku.topics import TopicAdmin
from schemas.partitioner import partition_of
from schemas.topics import CHANGES, PARTITIONER, topic_specs

PARTITIONS = 6
SECONDS = 60.0

_prefixes = itertools.count()


@pytest.fixture
def prefix(kafka: str) -> str:
    prefix = f"partitioning-{next(_prefixes)}."
    TopicAdmin({"bootstrap.servers": kafka}).apply(topic_specs(prefix, PARTITIONS))
    return prefix


def produce(kafka: str, topic: str, partitioner: str, keys: list[bytes | None]) -> None:
    producer = Producer({"bootstrap.servers": kafka, "partitioner": partitioner})
    for key in keys:
        producer.produce(topic, b"{}", key)
    assert producer.flush(SECONDS) == 0


def test_records_lie_where_librdkafkas_murmur2_puts_them(kafka: str, prefix: str) -> None:
    keys: list[bytes | None] = [f"shop:{number}".encode() for number in range(300)]
    produce(kafka, prefix + CHANGES, PARTITIONER, keys)
    sampled = sample_topic({"bootstrap.servers": kafka}, prefix + CHANGES)
    assert (sampled.records, sampled.without_key, sampled.misplaced) == (300, 0, 0)
    assert sampled.problems() == []
    assert {partition_of(key, PARTITIONS) for key in keys if key is not None} == set(range(PARTITIONS))


def test_only_the_newest_records_are_looked_at(kafka: str, prefix: str) -> None:
    produce(kafka, prefix + CHANGES, PARTITIONER, [b"shop:1"] * 50)
    assert sample_topic({"bootstrap.servers": kafka}, prefix + CHANGES, sample=20).records == 20


def test_the_command_tells_of_another_partitioner_and_of_missing_keys(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMESKU_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("SAMESKU_KAFKA__TOPIC_PREFIX", prefix)
    monkeypatch.setenv("SAMESKU_KAFKA__PARTITIONS", str(PARTITIONS))
    produce(kafka, prefix + CHANGES, "consistent", [f"shop:{number}".encode() for number in range(30)])
    produce(kafka, prefix + CHANGES, "random", [None])
    checked = CliRunner().invoke(app, ["check"])
    assert checked.exit_code == 1
    assert f"partitioner={PARTITIONER}" in checked.stderr
    assert "1 of the newest 31 records have no key" in checked.stderr
    assert CliRunner().invoke(app, ["check", "--records", "0"]).exit_code == 0
