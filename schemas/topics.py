"""The topics: names, keys, partitioner and the configuration that each needs, with the reason.

`samesku topics apply|check` makes and checks them. Pure data; the admin client lives in `samesku/commands/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

CHANGES = "catalog.changes"
OFFERS = "catalog.offers"
DECISIONS = "match.decisions"
ANSWERS = "match.answers"
REVIEW = "match.review"
LABELS = "match.labels"
DEAD_LETTERS = "catalog.changes.dlq"
DRIFT = "match.drift"
LABELING = "match.labeling"
OPINIONS = "match.opinions"
MODELS = "match.models"

PARTITIONER = "murmur2_random"
"""librdkafka's name for what Java clients do. Its own default (CRC32) would send an offer's changes from a Python and
from a Java producer to different partitions, and per-offer order would break."""

DEFAULT_PARTITIONS = 6
"""Divides among 1, 2, 3 or 6 workers; the number bounds the workers of a group and can only grow with a new index
generation, so it is generous for one machine."""

_DAY = 24 * 60 * 60 * 1000
_MIB = 1024 * 1024

# Kafka's own default, stated so that a cluster with another default does not change the contract.
INPUT_MAX_BYTES = _MIB + 12
DEAD_LETTER_MAX_BYTES = 16 * _MIB

_DELETE = {"cleanup.policy": "delete"}
# Readers find out what happened when by the log's own clock; events carry their own times.
_OUTPUT = {"message.timestamp.type": "LogAppendTime"}
_FOR_EVER = {"retention.ms": "-1", "retention.bytes": "-1"}


@dataclass(frozen=True)
class Topic:
    """One topic: `key` says in words what the Kafka key is; `partitions` 0 means as many as the settings say."""

    name: str
    description: str
    key: str
    value: str
    configs: Mapping[str, str] = field(default_factory=dict)
    co_partitioned_with: str | None = None
    partitions: int = 0


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should stand in one cluster: full name, all numbers known."""

    name: str
    partitions: int
    replication_factor: int
    configs: dict[str, str]
    topic: Topic


ALL: tuple[Topic, ...] = (
    Topic(
        CHANGES,
        "Upserts and deletes of offers, from the sellers' services. A null value is a delete.",
        "offer key (source:offer_id, percent-escaped)",
        "CatalogChange",
        # The seller's time is kept, and with 7 days an outage over a long weekend loses nothing.
        {
            **_DELETE,
            "retention.ms": str(7 * _DAY),
            "max.message.bytes": str(INPUT_MAX_BYTES),
            "message.timestamp.type": "CreateTime",
        },
    ),
    Topic(
        OFFERS,
        "Every valid offer as it stands: the truth from which the index is rebuilt.",
        "offer key, as in catalog.changes",
        "OfferRecord",
        # Compacted. A rebuild that starts from the beginning must still see the delete of an offer whose last value it
        # has read: 7 days are longer than any rebuild. The record is the event and a little more, hence 2 MiB.
        {
            **_OUTPUT,
            "cleanup.policy": "compact",
            "delete.retention.ms": str(7 * _DAY),
            "min.cleanable.dirty.ratio": "0.2",
            # An audit sink that was down for a week still finds every content that was judged, not only the last.
            "min.compaction.lag.ms": str(7 * _DAY),
            "max.message.bytes": str(2 * _MIB),
        },
        # Same key, same partitioner, same count: so a worker restores exactly the partitions that it serves.
        co_partitioned_with=CHANGES,
    ),
    Topic(
        DECISIONS,
        "One decision per judged pair. Not compacted: the history of a pair is data, and supersedes() decides which "
        "decision stands, not the position in the log.",
        "pair id (both offer keys, sorted, joined by #)",
        "MatchDecision",
        # The rebuild reads standings from it. About 1.5 KB each; bound it only where snapshots are kept.
        {**_OUTPUT, **_DELETE, **_FOR_EVER, "max.message.bytes": str(_MIB + 12)},
    ),
    Topic(
        ANSWERS,
        "One answer per change, in the transaction of its decisions.",
        "key of the change, as it came",
        "Answer",
        {**_OUTPUT, **_DELETE, "retention.ms": str(30 * _DAY), "max.message.bytes": str(_MIB + 12)},
    ),
    Topic(
        REVIEW,
        "Pairs that a person should look at, with a snapshot of both listings.",
        "pair id",
        "ReviewTask",
        # Two whole offers in one event.
        {**_OUTPUT, **_DELETE, "retention.ms": str(90 * _DAY), "max.message.bytes": str(4 * _MIB)},
    ),
    Topic(
        LABELS,
        "What people decided, and the teacher where that is allowed. It cannot be bought again: kept for ever.",
        "pair id",
        "Label",
        {**_OUTPUT, **_DELETE, **_FOR_EVER},
    ),
    Topic(
        DEAD_LETTERS,
        "Changes that cannot be used: the original key, bytes and headers, and the reason in more headers.",
        "key of the change, as it came",
        "original bytes",
        # Larger than the input's: max.message.bytes counts compressed bytes, and the headers come on top.
        {**_OUTPUT, **_DELETE, "retention.ms": str(30 * _DAY), "max.message.bytes": str(DEAD_LETTER_MAX_BYTES)},
    ),
    Topic(
        DRIFT,
        "What the monitor noticed about the stream of decisions.",
        "name of the monitored stream (inputs/segment/signal)",
        "DriftEvent",
        {**_OUTPUT, **_DELETE, "retention.ms": str(90 * _DAY)},
    ),
    Topic(
        LABELING,
        "Pairs that a label is wanted for, drawn from match.decisions with a known chance each.",
        "pair id",
        "LabelingTask",
        # Two whole offers in one event, as in match.review.
        {**_OUTPUT, **_DELETE, "retention.ms": str(90 * _DAY), "max.message.bytes": str(4 * _MIB)},
    ),
    Topic(
        OPINIONS,
        "What judges and the teacher say of a sample of decisions, for the monitor.",
        "pair id",
        "Opinion",
        {**_OUTPUT, **_DELETE, "retention.ms": str(90 * _DAY)},
    ),
    Topic(
        MODELS,
        "The registry of bundles, and which of them is live or tried: every deployment states the whole of it.",
        "bundle/DIGEST or deployment/ID",
        "RegisteredBundle or Deployment",
        # One partition, so that the offset orders the deployments. Each has a key of its own: compaction keeps them
        # all, which is the history of who promoted what, and of a bundle only its last entry.
        {**_OUTPUT, "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.5"},
        partitions=1,
    ),
)

BY_NAME: dict[str, Topic] = {topic.name: topic for topic in ALL}


def topic_name(name: str, prefix: str = "") -> str:
    """The full name of one of our topics, e.g. `topic_name(CHANGES, "shop.")`. Raises KeyError for other names."""
    return prefix + BY_NAME[name].name


def topic_specs(prefix: str = "", partitions: int = DEFAULT_PARTITIONS, replication_factor: int = 1) -> list[TopicSpec]:
    """All topics for one cluster. Raises ValueError for counts below one.

    `min.insync.replicas` is one less than the replication factor, so that one broker may be down without a stop and
    two must fail to lose what was acknowledged; on one broker it is 1.
    """
    if partitions < 1 or replication_factor < 1:
        raise ValueError("partitions and replication factor must be at least 1")
    in_sync = str(max(1, replication_factor - 1))
    return [
        TopicSpec(
            name=topic_name(topic.name, prefix),
            partitions=topic.partitions or partitions,
            replication_factor=replication_factor,
            configs={**topic.configs, "min.insync.replicas": in_sync},
            topic=replace(topic),
        )
        for topic in ALL
    ]
