from __future__ import annotations

import pytest

from schemas import topics
from schemas.change import MAX_EVENT_BYTES
from schemas.deadletter import MAX_DEAD_LETTER_BYTES
from schemas.topics import ALL, BY_NAME, topic_name, topic_specs

SPECS = {spec.topic.name: spec for spec in topic_specs("shop.", partitions=4, replication_factor=3)}


def test_every_topic_takes_prefix_and_replication() -> None:
    assert {spec.name for spec in SPECS.values()} == {f"shop.{topic.name}" for topic in ALL}
    assert {spec.replication_factor for spec in SPECS.values()} == {3}
    assert {spec.configs["min.insync.replicas"] for spec in SPECS.values()} == {"2"}
    assert {spec.configs["min.insync.replicas"] for spec in topic_specs()} == {"1"}
    assert topic_name(topics.CHANGES, "shop.") == "shop.catalog.changes"


def test_only_index_and_registry_are_compacted() -> None:
    compacted = {name for name, spec in SPECS.items() if "compact" in spec.configs["cleanup.policy"]}
    assert compacted == {topics.OFFERS, topics.MODELS}


def test_offers_share_the_partitions_of_changes() -> None:
    assert BY_NAME[topics.OFFERS].co_partitioned_with == topics.CHANGES
    for spec in SPECS.values():
        if spec.topic.co_partitioned_with:
            assert spec.partitions == SPECS[spec.topic.co_partitioned_with].partitions


def test_outputs_are_stamped_by_the_log() -> None:
    stamped = {name for name, spec in SPECS.items() if spec.configs["message.timestamp.type"] == "LogAppendTime"}
    assert stamped == set(SPECS) - {topics.CHANGES}


def test_decisions_and_labels_are_kept_for_ever() -> None:
    kept = {name for name, spec in SPECS.items() if spec.configs.get("retention.ms") == "-1"}
    assert kept == {topics.DECISIONS, topics.LABELS}


def test_sizes_fit_into_each_other() -> None:
    def limit(name: str) -> int:
        return int(SPECS[name].configs["max.message.bytes"])

    assert limit(topics.CHANGES) > MAX_EVENT_BYTES
    assert limit(topics.DEAD_LETTERS) > MAX_DEAD_LETTER_BYTES > limit(topics.CHANGES)
    assert limit(topics.OFFERS) > limit(topics.CHANGES)
    assert limit(topics.REVIEW) > 2 * limit(topics.CHANGES)


@pytest.mark.parametrize(("partitions", "replication"), [(0, 1), (1, 0)])
def test_counts_below_one_are_refused(partitions: int, replication: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        topic_specs("", partitions, replication)


def test_producers_partition_as_java_clients_do() -> None:
    assert topics.PARTITIONER == "murmur2_random"
