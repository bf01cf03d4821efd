"""From settings to a running sink: bind the store to the topics, wire the parts, mind the signals.

Exit codes: 0 stopped by a signal, 1 failed, 2 refused (a topic is missing or is not the one that the store holds).
"""

from __future__ import annotations

import time
from typing import Any

from schemas.sections import KafkaSettings
from schemas.settings import Settings
from worker.audit.buffers import Buffers
from worker.audit.errors import AuditError, ForeignTopic
from worker.audit.merging import Merger
from worker.audit.sink import HOLD_BYTES, Sink
from worker.audit.store import AuditStore
from worker.audit.tables import TABLES
from worker.stream.backoff import Log, Patience
from worker.stream.clients import consumer_config
from worker.stream.metrics import Metrics
from worker.stream.process import find_topics, run_process
from worker.stream.session import member_of


def run_sink(settings: Settings) -> None:
    """Fill the store until SIGTERM or SIGINT. Raises SystemExit with one of the codes above when it ends otherwise."""
    run_process(
        settings, lambda metrics, log: build_sink(settings, metrics, log), (ForeignTopic, ValueError), (AuditError,)
    )


def build_sink(settings: Settings, metrics: Metrics, log: Log) -> Sink:
    """A sink that is ready to `run`. Waits for an absent broker. Raises StartupRefused and ForeignTopic."""
    audit, stream, kafka = settings.audit, settings.stream, settings.kafka
    backoff = (stream.backoff_initial_s, stream.backoff_max_s)
    topics = {table.name: kafka.topic(table.topic) for table in TABLES.values()}
    at_start = Patience(time.sleep, time.monotonic, metrics, log, *backoff)
    found = at_start.call(lambda: find_topics(kafka, list(topics.values())))

    def store() -> AuditStore:
        return AuditStore(audit.root, memory_mb=audit.memory_mb, threads=audit.threads)

    own = store()
    own.claim(
        {topic: each.topic_id for topic, each in found.items()},
        {table: found[topic].partitions for table, topic in topics.items()},
    )
    merger = Merger(store, audit.fan, audit.part_rows, metrics, log) if audit.auto_compact else None
    log.info("starting", root=audit.root, group=audit.group_id, topics=sorted(topics.values()))
    return Sink(
        own, topics, member_of(sink_config(kafka, audit.group_id)),
        Buffers(audit.flush_s, audit.flush_rows, HOLD_BYTES), merger, time.monotonic, backoff, metrics, log,
    )  # fmt: skip


def sink_config(kafka: KafkaSettings, group_id: str) -> dict[str, Any]:
    """A member of the sinks' group, reading committed records."""
    return {**consumer_config(kafka), "group.id": group_id, "client.id": f"{group_id}-{kafka.slot}"}
