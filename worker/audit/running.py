"""From settings to a running sink: bind the store to the topics, wire the parts, mind the signals.

Exit codes: 0 stopped by a signal, 1 failed, 2 refused (a topic is missing or is not the one that the store holds).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from prometheus_client import start_http_server

from schemas.sections import KafkaSettings
from schemas.settings import Settings
from worker.audit.buffers import Buffers
from worker.audit.errors import AuditError, ForeignTopic
from worker.audit.merging import Merger
from worker.audit.sink import HOLD_BYTES, Sink
from worker.audit.store import AuditStore
from worker.audit.tables import TABLES
from worker.stream import logs
from worker.stream.backoff import Log, Patience
from worker.stream.clients import consumer_config, reader_config
from worker.stream.errors import StartupRefused, StreamError, Unavailable
from worker.stream.metrics import Metrics
from worker.stream.session import ASK_TIMEOUT
from worker.stream.transaction import kafka_error

EXIT_FAILED, EXIT_REFUSED = 1, 2


def run_sink(settings: Settings) -> None:
    """Fill the store until SIGTERM or SIGINT. Raises SystemExit with one of the codes above when it ends otherwise."""
    log = logs.configure(settings.log)
    stopper = _Stopper()
    try:
        metrics = Metrics()
        if settings.metrics.port:
            start_http_server(settings.metrics.port, settings.metrics.host, metrics.registry)
        sink = build_sink(settings, metrics, log)
        stopper.sink = sink
        sink.run()
    except (StartupRefused, ForeignTopic, ValueError) as refused:
        log.error("refused", detail=str(refused))
        raise SystemExit(EXIT_REFUSED) from refused
    except (StreamError, AuditError, KafkaException) as failed:
        log.error("failed", detail=str(failed), error=type(failed).__name__)
        raise SystemExit(EXIT_FAILED) from failed


def build_sink(settings: Settings, metrics: Metrics, log: Log) -> Sink:
    """A sink that is ready to `run`. Waits for an absent broker. Raises StartupRefused and ForeignTopic."""
    audit, stream, kafka = settings.audit, settings.stream, settings.kafka
    backoff = (stream.backoff_initial_s, stream.backoff_max_s)
    topics = {table.name: kafka.topic(table.topic) for table in TABLES.values()}
    at_start = Patience(time.sleep, time.monotonic, metrics, log, *backoff)
    found = at_start.call(lambda: look_up(kafka, topics))

    def store() -> AuditStore:
        return AuditStore(audit.root, memory_mb=audit.memory_mb, threads=audit.threads)

    own = store()
    own.claim({topics[name]: topic_id for name, (topic_id, _) in found.items()}, {n: c for n, (_, c) in found.items()})

    def consumer(error_cb: Callable[[KafkaError], None]) -> Consumer:
        return Consumer({**sink_config(kafka, audit.group_id), "error_cb": error_cb})

    merger = Merger(store, audit.fan, audit.part_rows, metrics, log) if audit.auto_compact else None
    log.info("starting", root=audit.root, group=audit.group_id, topics=sorted(topics.values()))
    return Sink(
        own, topics, consumer, Buffers(audit.flush_s, audit.flush_rows, HOLD_BYTES), merger, time.monotonic, backoff,
        metrics, log,
    )  # fmt: skip


def sink_config(kafka: KafkaSettings, group_id: str) -> dict[str, Any]:
    """A member of the sinks' group, reading committed records."""
    return {**consumer_config(kafka), "group.id": group_id, "client.id": f"{group_id}-{kafka.slot}"}


def look_up(kafka: KafkaSettings, topics: dict[str, str]) -> dict[str, tuple[str, int]]:
    """Id (a topic that is made anew has another) and number of partitions of each table's topic, by table.

    Raises StartupRefused and Unavailable.
    """
    names = list(topics.values())
    admin = AdminClient(reader_config(kafka))
    try:
        found = admin.list_topics(timeout=ASK_TIMEOUT).topics
        missing = [name for name in names if name not in found]
        if missing:
            raise StartupRefused(f"topics are missing: {', '.join(missing)}; make them with `samesku topics apply`")
        described: Any = admin.describe_topics(TopicCollection(names), request_timeout=ASK_TIMEOUT)
        return {
            table: (str(described[name].result(2 * ASK_TIMEOUT).topic_id), len(found[name].partitions))
            for table, name in topics.items()
        }
    except KafkaException as exception:
        error = kafka_error(exception)
        raise Unavailable("kafka", f"{error.name()}: {error.str()}") from exception


class _Stopper:
    """SIGTERM and SIGINT: before the sink exists they end the process, then they ask it to finish."""

    def __init__(self) -> None:
        self.sink: Sink | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.sink is None:
            raise SystemExit(0)
        self.sink.stop()
