"""The embedded broker is a real one: transactions, restarts on the same port, no topic by accident."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from samesku.embedded import java
from samesku.embedded.kafka import EmbeddedKafka

SECONDS = 60.0


def create(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])[topic].result(SECONDS)


def read_committed(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    try:
        consumer.subscribe([topic])
        values: list[bytes] = []
        for _ in range(int(SECONDS)):
            message = consumer.poll(1.0)
            if message is None:
                continue
            value = message.value()
            assert message.error() is None
            assert value is not None
            values.append(value)
            if len(values) >= count:
                break
        return values
    finally:
        consumer.close()


def test_aborted_transactions_are_hidden_and_data_survive_a_stop(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path) as server:
        address = server.address
        create(address, "events")
        producer = Producer({"bootstrap.servers": address, "transactional.id": "test"})
        producer.init_transactions(SECONDS)
        for value, commit in ((b"one", True), (b"hidden", False), (b"two", True)):
            producer.begin_transaction()
            producer.produce("events", value)
            producer.flush(SECONDS)
            if commit:
                producer.commit_transaction(SECONDS)
            else:
                producer.abort_transaction(SECONDS)
        assert read_committed(address, "events", 2) == [b"one", b"two"]
        server.stop()
        assert server.start() == address
        admin = AdminClient({"bootstrap.servers": address})
        assert "events" in admin.list_topics(timeout=SECONDS).topics


def test_a_topic_is_not_made_by_a_typing_error(kafka: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "message.timeout.ms": 5000, "log_level": 0})
    failures: list[KafkaError | None] = []
    producer.produce("no.such.topic", b"value", on_delivery=lambda error, _message: failures.append(error))
    producer.flush(SECONDS)
    assert failures
    assert failures[0] is not None
    with pytest.raises(KafkaException):
        raise KafkaException(failures[0])


def test_it_starts_with_the_java_of_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = java.find_java(path=str(tmp_path))
    monkeypatch.setattr("samesku.embedded.kafka.find_java", lambda: wheel)
    with EmbeddedKafka() as server:
        command = Path(f"/proc/{server.running().pid}/cmdline").read_bytes().split(b"\0")
        assert command[0].decode() == str(wheel)
