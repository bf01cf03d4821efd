"""The Kafka clients' configuration, with the reason for every property that a promise depends on. Pure."""

from __future__ import annotations

from typing import Any, Literal

from schemas.sections import KafkaSettings
from schemas.topics import DEAD_LETTER_MAX_BYTES, PARTITIONER

# Milliseconds. The client's own default grows to 10 s, which is long when a broker is back.
RECONNECT_MAX_MS = 1_000

# Before the slot in a worker's client.id, by which the members of the group are told apart.
CLIENT_PREFIX = "samesku-worker-"

# syslog's "critical": during an outage the clients would write a line for every attempt to connect, twenty a second.
# The loop says once that it waits, and once that it has resumed. kafka.client_properties can set another level.
_QUIET = {"log_level": "2"}


def consumer_config(kafka: KafkaSettings) -> dict[str, Any]:
    """The member of the group. Offsets are committed by the transaction alone."""
    common: dict[str, Any] = {
        **_QUIET,
        **kafka.client_config(),
        "client.id": CLIENT_PREFIX + kafka.slot,
        "group.id": kafka.group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # A new group answers everything that is there.
        "auto.offset.reset": "earliest",
        # Loaders may write transactionally as well.
        "isolation.level": "read_committed",
        "max.poll.interval.ms": kafka.max_poll_interval_ms,
        "reconnect.backoff.max.ms": RECONNECT_MAX_MS,
    }
    if kafka.group_protocol == "consumer":
        # KIP-848: the broker owns session time-out and assignor, and the client refuses to be given them.
        return {**common, "group.protocol": "consumer"}
    return {
        **common,
        "session.timeout.ms": kafka.session_timeout_ms,
        # A third, so that two beats may be missed.
        "heartbeat.interval.ms": max(1, kafka.session_timeout_ms // 3),
        # Partitions that stay with their worker never stop.
        "partition.assignment.strategy": "cooperative-sticky",
    }


def producer_config(kafka: KafkaSettings) -> dict[str, Any]:
    """The transactional producer of one worker slot."""
    return {
        **_QUIET,
        **kafka.client_config(),
        "client.id": CLIENT_PREFIX + kafka.slot,
        "transactional.id": kafka.transactional_id,
        "transaction.timeout.ms": kafka.transaction_timeout_ms,
        "enable.idempotence": True,
        "acks": "all",
        # As Java clients do, or an offer's changes from two producers would lie in two partitions.
        "partitioner": PARTITIONER,
        # A dead letter carries an input record and more.
        "message.max.bytes": DEAD_LETTER_MAX_BYTES,
        "compression.type": "lz4",
        "reconnect.backoff.max.ms": RECONNECT_MAX_MS,
    }


def reader_config(kafka: KafkaSettings) -> dict[str, Any]:
    """What a restore reads with, and what the admin client asks with."""
    return {**_QUIET, **kafka.client_config(), "reconnect.backoff.max.ms": RECONNECT_MAX_MS}


def assigned_config(kafka: KafkaSettings, purpose: str, gone: Literal["error", "earliest"]) -> dict[str, Any]:
    """A reader of committed records that is in no group: partitions are assigned by hand, nothing is committed.

    `gone` says what becomes of an offset that retention has removed: an error, or the first record that is left.
    """
    return {
        **reader_config(kafka),
        # Required by the library and never used.
        "group.id": f"{kafka.group_id}-{purpose}",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": gone,
        "enable.partition.eof": True,
    }
