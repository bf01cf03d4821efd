"""The topics on a real broker: made, found right, found wrong, put right, and never repartitioned."""

from __future__ import annotations

import itertools

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from typer.testing import CliRunner

from samesku.commands.topics import app
from samesku.topics import Finding, Standing, TopicAdmin, TopicsError, compare
from schemas.topics import CHANGES, OFFERS, TopicSpec, topic_specs

PARTITIONS = 2
SECONDS = 60.0

_prefixes = itertools.count()


@pytest.fixture
def prefix() -> str:
    return f"topics-{next(_prefixes)}."


@pytest.fixture
def specs(prefix: str) -> list[TopicSpec]:
    return topic_specs(prefix, PARTITIONS)


@pytest.fixture
def admin(kafka: str) -> TopicAdmin:
    return TopicAdmin({"bootstrap.servers": kafka})


def create(kafka: str, name: str, partitions: int) -> None:
    client = AdminClient({"bootstrap.servers": kafka})
    client.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])[name].result(SECONDS)
    # Accepted is not yet visible; the run's time-out bounds this and the like below.
    while name not in client.list_topics(timeout=SECONDS).topics:
        pass


def configure(kafka: str, name: str, key: str, value: str) -> None:
    client = AdminClient({"bootstrap.servers": kafka})
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    client.incremental_alter_configs([resource])[resource].result(SECONDS)


def as_planned(specs: list[TopicSpec]) -> dict[str, Standing]:
    return {spec.name: Standing(spec.partitions, spec.replication_factor, spec.configs) for spec in specs}


def test_apply_makes_every_topic_and_a_second_apply_has_nothing_to_do(
    admin: TopicAdmin, specs: list[TopicSpec]
) -> None:
    assert {finding.kind for finding in admin.check(specs)} == {"missing"}
    assert len(admin.apply(specs)) == len(specs)
    assert admin.check(specs) == []
    assert admin.apply(specs) == []


def test_a_drifted_configuration_is_found_and_put_right(
    kafka: str, admin: TopicAdmin, specs: list[TopicSpec], prefix: str
) -> None:
    admin.apply(specs)
    configure(kafka, prefix + OFFERS, "cleanup.policy", "delete")
    while admin.standing(specs)[prefix + OFFERS].configs["cleanup.policy"] != "delete":
        pass
    wrong = [Finding(prefix + OFFERS, "config", "cleanup.policy", "compact", "delete")]
    assert admin.check(specs) == wrong
    assert admin.apply(specs) == wrong
    assert admin.check(specs) == []


def test_offers_get_as_many_partitions_as_the_changes_that_stand(
    kafka: str, admin: TopicAdmin, specs: list[TopicSpec], prefix: str
) -> None:
    create(kafka, prefix + CHANGES, 5)
    admin.apply(specs)
    assert admin.check(specs) == []
    assert admin.standing(specs)[prefix + OFFERS].partitions == 5


def test_offers_that_are_partitioned_otherwise_are_reported_and_left_alone(
    kafka: str, admin: TopicAdmin, specs: list[TopicSpec], prefix: str
) -> None:
    create(kafka, prefix + CHANGES, 2)
    create(kafka, prefix + OFFERS, 3)
    admin.apply(specs)
    findings = admin.check(specs)
    assert [(finding.topic, finding.kind, finding.wanted, finding.found) for finding in findings] == [
        (prefix + OFFERS, "partitions", "2", "3")
    ]
    assert admin.standing(specs)[prefix + OFFERS].partitions == 3


def test_too_few_replicas_are_found_and_are_not_for_apply() -> None:
    wanted = topic_specs("", PARTITIONS, replication_factor=3)
    standing = {spec.name: Standing(spec.partitions, 1, spec.configs) for spec in wanted}
    findings = compare(wanted, standing)
    assert {finding.kind for finding in findings} == {"replication"}
    assert not any(finding.fixable for finding in findings)
    assert compare(wanted, as_planned(wanted)) == []


def test_a_broker_that_is_not_there_is_an_error_with_words() -> None:
    absent = TopicAdmin({"bootstrap.servers": "127.0.0.1:1"}, timeout_s=1.0)
    with pytest.raises(TopicsError, match="Kafka does not answer"):
        absent.check(topic_specs())


def test_the_command_checks_applies_and_checks(kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMESKU_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("SAMESKU_KAFKA__TOPIC_PREFIX", prefix)
    monkeypatch.setenv("SAMESKU_KAFKA__PARTITIONS", "1")
    runner = CliRunner()
    before = runner.invoke(app, ["check"])
    assert before.exit_code == 1
    assert f"{prefix}{CHANGES}: does not exist" in before.stderr
    assert "samesku topics apply" in before.stderr
    applied = runner.invoke(app, ["apply"])
    assert applied.exit_code == 0, applied.output
    assert f"{prefix}{CHANGES}: created" in applied.stdout
    after = runner.invoke(app, ["check"])
    assert after.exit_code == 0, after.output
    assert "topics are as they must be" in after.stdout
