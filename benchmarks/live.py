"""Changes through the real parts: embedded Apache Kafka and Redis, worker processes, a reader of committed records."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from benchmarks.rates import gauge
from samesku.demo.reader import Reader
from samesku.demo.serving import check_alive, running_worker, worker_environment
from samesku.embedded import embedded_services
from samesku.embedded.supervise import ServerProcess, free_ports
from samesku.load.changes import Ready
from samesku.load.send import ChangeProducer
from samesku.topics import TopicAdmin
from schemas.answer import Answer
from schemas.deadletter import DeadLetter
from schemas.decision import MatchDecision
from schemas.sections import KafkaSettings
from schemas.settings import Settings
from schemas.topics import CHANGES
from worker.stream.metrics import ASSIGNED

READ_SECONDS = 0.5
READY_SECONDS = 120.0
READY_POLL_SECONDS = 0.1
# A batch of 32 changes takes seconds; on a machine that trains at the same time, a minute.
SILENCE_SECONDS = 300.0
SCRAPE_SECONDS = 10.0

Progress = Callable[[int], None]


class StreamFailed(Exception):
    """The stream did not come to its end; the text says why."""


class _NotReady(Exception):
    pass


@dataclass
class Streamed:
    """What a run gave: the committed answers and decisions, and the workers' metrics after the last answer."""

    sent_at: datetime
    ready_seconds: float
    answers: dict[tuple[int, int], Answer] = field(default_factory=dict)
    decisions: list[MatchDecision] = field(default_factory=list)
    repeated_answers: int = 0
    metrics: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LiveWorker:
    """A worker process and where its metrics are."""

    process: ServerProcess
    metrics_port: int

    def scrape(self) -> str:
        """Its metrics as text. Raises OSError while it does not answer."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=SCRAPE_SECONDS) as got:
            return str(got.read().decode())


@contextmanager
def services(settings: Settings) -> Iterator[Settings]:
    """Settings that name a broker and a Redis of our own with all topics, until the end of the block.

    Never configured ones: a benchmark is about known parts, and leaves nothing behind.
    """
    ours = settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"bootstrap_servers": None, "topic_prefix": ""}),
            "redis": settings.redis.model_copy(update={"url": None}),
        }
    )
    with embedded_services(ours) as running:
        TopicAdmin(running.settings.kafka.client_config()).apply(running.settings.kafka.topic_specs())
        yield running.settings


@contextmanager
def workers(settings: Settings, bundle: Path, count: int) -> Iterator[list[LiveWorker]]:
    """That many worker processes of one group, which share the cores, until the end of the block."""
    with ExitStack() as stack:
        running = []
        for slot, port in enumerate(free_ports(count)):
            environment = worker_environment(settings, str(bundle)) | {
                "SAMESKU_KAFKA__SLOT": str(slot),
                "SAMESKU_METRICS__PORT": str(port),
                "SAMESKU_METRICS__HOST": "127.0.0.1",
                "SAMESKU_STUDENT__THREADS": str(threads_each(count)),
                "SAMESKU_BLOCKING__EXCLUDE_SAME_SOURCE": str(settings.blocking.exclude_same_source).lower(),
            }
            running.append(LiveWorker(stack.enter_context(running_worker(environment)), port))
        yield running


def threads_each(count: int) -> int:
    """CPU threads of each of that many workers."""
    return max(1, (os.cpu_count() or 1) // count)


def stream(settings: Settings, bundle: Path, count: int, changes: Sequence[Ready], progress: Progress) -> Streamed:
    """Send the changes once all workers are ready, and read until each is answered with all its decisions.

    Raises StreamFailed, WorkerEnded, EmbeddedError, NotDelivered, and KafkaException.
    """
    with services(settings) as ours, workers(ours, bundle, count) as running:
        began = time.monotonic()
        await_ready(running, ours.kafka)
        found = Streamed(datetime.now(UTC), round(time.monotonic() - began, 2))
        send(ours.kafka, changes)
        with closing(Reader(ours.kafka)) as reader:
            _read(reader, found, len(changes), running, progress)
        found.metrics = [worker.scrape() for worker in running]
        return found


def send(kafka: KafkaSettings, changes: Sequence[Ready]) -> None:
    """Raises NotDelivered. The producer ends here, before its broker does."""
    producer = ChangeProducer(kafka, kafka.topic(CHANGES))
    for change in changes:
        producer.send(change.key, change.value)
    producer.flush()


def await_ready(running: Sequence[LiveWorker], kafka: KafkaSettings) -> None:
    """Return once all partitions are owned and every worker has some. Raises WorkerEnded and StreamFailed."""
    patient = Retrying(
        retry=retry_if_exception_type((_NotReady, OSError)), stop=stop_after_delay(READY_SECONDS),
        wait=wait_fixed(READY_POLL_SECONDS), reraise=True,
    )  # fmt: skip
    try:
        patient(_check_ready, running, min(1, kafka.partitions // len(running)), kafka.partitions)
    except (_NotReady, OSError) as late:
        raise StreamFailed(f"the workers were not ready within {READY_SECONDS:.0f} s: {late}") from late


def _check_ready(running: Sequence[LiveWorker], least: int, partitions: int) -> None:
    for worker in running:
        check_alive(worker.process)
    owned = [gauge(worker.scrape(), ASSIGNED.name) for worker in running]
    if sum(owned) != partitions or min(owned) < least:
        raise _NotReady(f"partitions owned: {owned}")


def _read(reader: Reader, found: Streamed, changes: int, running: Sequence[LiveWorker], progress: Progress) -> None:
    last = time.monotonic()
    named: set[str] = set()
    seen: set[str] = set()
    while len(found.answers) < changes or not named <= seen:
        for record in reader.read(READ_SECONDS):
            last = time.monotonic()
            if isinstance(record, DeadLetter):
                raise StreamFailed(f"a dead letter: {record.reason}: {record.detail}")
            if isinstance(record, MatchDecision):
                found.decisions.append(record)
                seen.add(record.decision_id)
            else:
                place = (record.source.partition, record.source.offset)
                found.repeated_answers += place in found.answers
                found.answers[place] = record
                named.update(record.decision_ids)
        progress(len(found.answers))
        for worker in running:
            check_alive(worker.process)
        if time.monotonic() - last > SILENCE_SECONDS:
            missing = f"{changes - len(found.answers)} answers and {len(named - seen)} decisions are missing"
            raise StreamFailed(f"nothing came for {SILENCE_SECONDS:.0f} s; {missing}")
