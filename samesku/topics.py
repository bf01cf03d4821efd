"""Make the topics on a broker, and compare what stands there with what must.

Two topics that name each other (`co_partitioned_with`) must have the same number of partitions, whatever that number
is. Nothing here ever changes the number of partitions of a topic that exists, or deletes one: both would break the
order of an offer's changes, and the index's generation is bound to it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from samesku.errors import CommandError
from schemas.topics import TopicSpec

SETTLE_POLL_SECONDS = 0.05
"""Brokers follow the controller within milliseconds; nothing announces it to a client."""


class TopicsError(CommandError):
    """The broker could not be reached, or refused; the text carries its words."""


@dataclass(frozen=True)
class Standing:
    """A topic as the broker has it: `configs` are the values in force, defaults included."""

    partitions: int
    replication_factor: int
    configs: Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """One difference. `missing` and `config` are put right by `apply`; the rest needs a person."""

    topic: str
    kind: Literal["missing", "config", "partitions", "replication"]
    key: str
    wanted: str
    found: str

    @property
    def fixable(self) -> bool:
        """Whether `apply` puts it right."""
        return self.kind in ("missing", "config")

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"{self.topic}: does not exist"
        return f"{self.topic}: {self.key} is {self.found}, must be {self.wanted}"


def partitions_wanted(spec: TopicSpec, specs: Sequence[TopicSpec], standing: Mapping[str, Standing]) -> int:
    """How many partitions a topic must be created with: those of its partner, if that one exists already."""
    for other in specs:
        partner = spec.topic.co_partitioned_with == other.topic.name
        if (partner or other.topic.co_partitioned_with == spec.topic.name) and other.name in standing:
            return standing[other.name].partitions
    return spec.partitions


def compare(specs: Sequence[TopicSpec], standing: Mapping[str, Standing]) -> list[Finding]:
    """What differs; pure. A topic with more partitions than the settings say is fine: they are for creation."""
    findings = []
    for spec in specs:
        found = standing.get(spec.name)
        if found is None:
            findings.append(Finding(spec.name, "missing", "topic", "present", "absent"))
            continue
        for key, wanted in spec.configs.items():
            value = found.configs.get(key, "unknown")
            if value != wanted:
                findings.append(Finding(spec.name, "config", key, wanted, value))
        if found.replication_factor < spec.replication_factor:
            factors = str(spec.replication_factor), str(found.replication_factor)
            findings.append(Finding(spec.name, "replication", "replication factor", *factors))
        if spec.topic.co_partitioned_with is not None:
            partitions = partitions_wanted(spec, specs, standing)
            if found.partitions != partitions:
                key = f"number of partitions (as of {spec.topic.co_partitioned_with})"
                findings.append(Finding(spec.name, "partitions", key, str(partitions), str(found.partitions)))
    return findings


class TopicAdmin:
    """The topics of one broker."""

    def __init__(self, client: Mapping[str, str], timeout_s: float = 30.0) -> None:
        """`client`: librdkafka properties with the bootstrap servers; `timeout_s` is for each call."""
        # Connection trouble comes back as an exception; the library would print it a second time.
        self._admin = AdminClient({**client, "log_level": 0})
        self._timeout = timeout_s

    def standing(self, specs: Sequence[TopicSpec]) -> dict[str, Standing]:
        """Those of the topics that exist. Raises TopicsError."""
        try:
            listed = self._admin.list_topics(timeout=self._timeout).topics
        except KafkaException as error:
            raise TopicsError(f"Kafka does not answer: {_words(error)}") from error
        present = [spec.name for spec in specs if spec.name in listed]
        if not present:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
        futures = self._admin.describe_configs(resources, request_timeout=self._timeout)
        configs = {resource.name: self._result(future, "describe") for resource, future in futures.items()}
        return {
            name: Standing(
                partitions=len(listed[name].partitions),
                replication_factor=min(len(each.replicas) for each in listed[name].partitions.values()),
                configs={key: str(entry.value) for key, entry in configs[name].items()},
            )
            for name in present
        }

    def check(self, specs: Sequence[TopicSpec]) -> list[Finding]:
        """What differs from the plan; empty when all is well. Raises TopicsError."""
        return compare(specs, self.standing(specs))

    def apply(self, specs: Sequence[TopicSpec]) -> list[Finding]:
        """Create what is missing, set what differs, and wait until it is in force; returns what was put right.

        Safe to run at any time and by several at once. Raises TopicsError.
        """
        deadline = time.monotonic() + self._timeout
        done: dict[tuple[str, str], Finding] = {}
        while True:
            standing = self.standing(specs)
            findings = [finding for finding in compare(specs, standing) if finding.fixable]
            left = [str(finding) for finding in findings]
            if done and not left:
                left = self._not_served(standing)
            if not left:
                return list(done.values())
            if time.monotonic() > deadline:
                raise TopicsError(f"accepted, but not in force: {'; '.join(left)}; run the command again")
            # Repeated for what is not in force yet: brokers follow the controller a little later, and a topic that
            # somebody else has just created may have another configuration. Both calls are idempotent.
            self._create(findings, specs, standing)
            self._configure(findings)
            for finding in findings:
                done.setdefault((finding.topic, finding.key), finding)
            if done:
                time.sleep(SETTLE_POLL_SECONDS)

    def _not_served(self, standing: Mapping[str, Standing]) -> list[str]:
        """Partitions that do not answer yet, and why: a new one is in the metadata before its leader serves it."""
        partitions = {
            TopicPartition(name, number): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for name, topic in standing.items()
            for number in range(topic.partitions)
        }
        waiting = []
        for partition, future in self._admin.list_offsets(partitions, request_timeout=self._timeout).items():
            try:
                future.result(self._timeout)
            except KafkaException as error:
                waiting.append(f"{partition.topic} [{partition.partition}]: {_words(error)}")
        return waiting

    def _create(
        self, findings: Sequence[Finding], specs: Sequence[TopicSpec], standing: Mapping[str, Standing]
    ) -> None:
        missing = {finding.topic for finding in findings if finding.kind == "missing"}
        topics = [
            NewTopic(
                spec.name,
                num_partitions=partitions_wanted(spec, specs, standing),
                replication_factor=spec.replication_factor,
                config=dict(spec.configs),
            )
            for spec in specs
            if spec.name in missing
        ]
        if topics:
            for future in self._admin.create_topics(topics, request_timeout=self._timeout).values():
                self._result(future, "create", KafkaError.TOPIC_ALREADY_EXISTS)

    def _configure(self, findings: Sequence[Finding]) -> None:
        changes: dict[str, list[ConfigEntry]] = {}
        for finding in findings:
            if finding.kind == "config":
                entry = ConfigEntry(finding.key, finding.wanted, incremental_operation=AlterConfigOpType.SET)
                changes.setdefault(finding.topic, []).append(entry)
        resources = [
            ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries) for name, entries in changes.items()
        ]
        if resources:
            futures = self._admin.incremental_alter_configs(resources, request_timeout=self._timeout)
            for future in futures.values():
                self._result(future, "configure")

    def _result(self, future: Future[Any], what: str, *harmless: int) -> Any:
        try:
            return future.result(self._timeout)
        except KafkaException as error:
            if error.args and isinstance(error.args[0], KafkaError) and error.args[0].code() in harmless:
                return None
            raise TopicsError(f"Kafka refused to {what} topics: {_words(error)}") from error


def _words(error: KafkaException) -> str:
    cause = error.args[0] if error.args else error
    return cause.str() if isinstance(cause, KafkaError) else str(cause)
