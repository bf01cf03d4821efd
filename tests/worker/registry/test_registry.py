"""The registry's topic on a real broker."""

from __future__ import annotations

import threading
from collections.abc import Callable

import orjson
import pytest
from confluent_kafka import Producer

from schemas.events import UnknownMajorVersion, dumps
from schemas.sections import KafkaSettings
from schemas.topics import MODELS
from tests.deployments import NOW, A, B, C, deployment, registered
from worker.registry import moves
from worker.registry.failures import Overtaken
from worker.registry.registry import Registry
from worker.registry.topic import EntryReader
from worker.stream.errors import Unavailable

pytestmark = pytest.mark.system


def send(kafka: KafkaSettings, key: str, value: bytes | None) -> None:
    producer = Producer(kafka.client_config())
    producer.produce(kafka.topic(MODELS), key=key.encode(), value=value)
    assert producer.flush(30) == 0


def test_what_was_written_is_read(registry_kafka: KafkaSettings) -> None:
    registry = Registry(registry_kafka)
    assert registry.state().number == 0
    entries = [registered(A), registered(B, "default", parent=A.digest)]
    for entry in entries:
        registry.add(entry)
    done = registry.deploy(deployment("promote", B, 0, previous=A))
    assert done.number == 3
    state = Registry.read(registry_kafka)
    assert list(state.bundles.values()) == entries
    assert [each.deployment for each in state.history] == [done.deployment]
    again = registry.deploy(deployment("rollback", A, done.number, previous=B))
    assert (again.number, registry.state().alias("live")) == (4, A)


def test_a_topic_that_does_not_exist_holds_nothing(kafka: str) -> None:
    nowhere = KafkaSettings(bootstrap_servers=kafka, topic_prefix="nowhere.")
    assert Registry.read(nowhere).number == 0


def test_a_broker_that_does_not_answer_is_told_from_an_empty_registry() -> None:
    with pytest.raises(Unavailable):
        Registry.read(KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout_s=0.5))


def test_of_two_commands_that_saw_the_same_one_loses_and_knows_it(registry_kafka: KafkaSettings) -> None:
    registry = Registry(registry_kafka)
    first = registry.deploy(deployment("promote", B, 0, previous=A))
    with pytest.raises(Overtaken, match=rf"deployment {first.number} \(promote by ann .*this one had seen 0"):
        registry.deploy(deployment("promote", C, 0, previous=A))
    assert registry.state().alias("live") == B


def test_of_many_at_once_one_wins_and_everybody_agrees_which(registry_kafka: KafkaSettings) -> None:
    won: list[str] = []
    lost: list[str] = []
    barrier = threading.Barrier(5)

    def command(name: str) -> None:
        registry = Registry(registry_kafka)
        state = registry.state()
        order = moves.Order(name, "race", NOW)
        barrier.wait()
        try:
            registry.deploy(moves.promote(state, A, B, order))
            won.append(name)
        except Overtaken:
            lost.append(name)

    threads = [threading.Thread(target=command, args=(f"p{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = Registry.read(registry_kafka)
    assert [each.deployment.by for each in state.history] == won
    assert sorted(each.deployment.by for each in state.void) == sorted(lost)
    assert len(lost) == 4


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("deployment/x", b"{"),
        ("deployment/x", b'{"action": "explode"}'),
        ("bundle/x", b"[]"),
        ("bundle/x", None),
        ("something/new", b"{}"),
    ],
)
def test_what_is_no_entry_counts_for_nothing(registry_kafka: KafkaSettings, key: str, value: bytes | None) -> None:
    registry = Registry(registry_kafka)
    before = registry.deploy(deployment("promote", B, 0, previous=A))
    send(registry_kafka, key, value)
    after = registry.deploy(deployment("rollback", A, before.number, previous=B))
    assert after.number == before.number + 2
    reader = EntryReader(registry_kafka)
    assert reader.to_end().number == after.number
    assert len(reader.unreadable) == (value is not None and key != "something/new")
    reader.close()


def test_an_entry_of_an_unknown_major_version_is_never_guessed_at(registry_kafka: KafkaSettings) -> None:
    entry = {**orjson.loads(dumps(deployment("promote", B, 0))), "schema_version": "2.0"}
    send(registry_kafka, "deployment/new", orjson.dumps(entry))
    with pytest.raises(UnknownMajorVersion):
        Registry.read(registry_kafka)


def test_a_look_never_waits_and_finds_what_came(
    registry_kafka: KafkaSettings, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    reader = EntryReader(registry_kafka)
    reader.to_end()
    done = Registry(registry_kafka).deploy(deployment("promote", B, 0, previous=A))
    eventually(lambda: reader.look() or reader.state.number == done.number)
    assert reader.state.number == done.number
    reader.close()
