from __future__ import annotations

from schemas.sections import KafkaSettings
from worker.stream.clients import consumer_config, producer_config, reader_config


def kafka(**fields: object) -> KafkaSettings:
    return KafkaSettings.model_validate({"bootstrap_servers": "broker:9092", "slot": "7", **fields})


def test_what_the_promises_depend_on() -> None:
    consumer, producer = consumer_config(kafka()), producer_config(kafka())
    assert consumer["enable.auto.commit"] is False
    assert consumer["isolation.level"] == "read_committed"
    assert consumer["partition.assignment.strategy"] == "cooperative-sticky"
    assert producer["transactional.id"] == "samesku-worker-7"
    assert (producer["acks"], producer["enable.idempotence"]) == ("all", True)
    assert producer["partitioner"] == "murmur2_random"


def test_the_newer_group_protocol_is_given_nothing_that_the_broker_owns() -> None:
    consumer = consumer_config(kafka(group_protocol="consumer"))
    assert consumer["group.protocol"] == "consumer"
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & consumer.keys()


def test_client_properties_reach_every_client() -> None:
    settings = kafka(client_properties={"log_level": "6", "socket.timeout.ms": "1234"})
    for config in (consumer_config(settings), producer_config(settings), reader_config(settings)):
        assert (config["log_level"], config["socket.timeout.ms"]) == ("6", "1234")
