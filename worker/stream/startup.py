"""From settings to a running worker: load the student, refuse what cannot work, wire the parts, mind the signals.

Refused, each with what to do: missing topics, a `catalog.offers` that is not partitioned like its input, a Redis that
may evict or is too old, a bundle whose bytes, prompt or grammar are not this code's. A Kafka or Redis that is merely
absent is waited for. Exit codes: 0 stopped by a signal, 1 failed, 2 refused, 3 fenced by a twin, 4 too many dead
letters.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, Producer

from schemas import topics
from schemas.bundle import BundleError
from schemas.events import UnknownMajorVersion
from schemas.settings import Settings
from worker.blocking import BlockingError, BlockingSettings, Index, server
from worker.blocking.scripts import Client
from worker.stream import logs
from worker.stream.backoff import Log, Patience
from worker.stream.clients import consumer_config, producer_config, reader_config
from worker.stream.deadletters import TooManyDeadLetters
from worker.stream.desk import Desk
from worker.stream.errors import FencedByTwin, StartupRefused, StreamError
from worker.stream.guard import redis_step
from worker.stream.judging import Judging
from worker.stream.metrics import Metrics
from worker.stream.outputs import Outputs
from worker.stream.pairs import Basis
from worker.stream.process import EXIT_FAILED, EXIT_REFUSED, Stopper, find_topics, observe
from worker.stream.restore import Restorer, Wholeness
from worker.stream.session import Session, member_of
from worker.stream.transaction import Checkpoint
from worker.stream.worker import Worker
from worker.student.judge import Judge

if TYPE_CHECKING:
    from worker.registry.switch import Switch

NEEDED = (
    topics.CHANGES, topics.OFFERS, topics.DECISIONS, topics.ANSWERS, topics.REVIEW, topics.LABELS,
    topics.DEAD_LETTERS, topics.MODELS,
)  # fmt: skip
LABELS_GROUP = "-labels"
"""After the workers' group id: the group in which the same workers read `match.labels`."""
EXIT_TWIN, EXIT_DEAD_LETTERS = 3, 4


def run_worker(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises SystemExit with one of the codes above when it ends otherwise."""
    log = logs.configure(settings.log)
    stopper = Stopper()
    try:
        metrics, health = observe(settings, log)
        health.expect()
        switch = follow_registry(settings, metrics, log)
        worker = build_worker(
            settings, switch.seats.live.judge, metrics, log, switch=switch, progress=health.progress
        )  # fmt: skip
        stopper.running = worker
        worker.run()
    except (StartupRefused, BundleError, BlockingError) as refused:
        log.error("refused", detail=str(refused))
        raise SystemExit(EXIT_REFUSED) from refused
    except FencedByTwin as twin:
        log.error("fenced_by_twin", detail=str(twin))
        raise SystemExit(EXIT_TWIN) from twin
    except TooManyDeadLetters as limit:
        log.error("too_many_dead_letters", detail=str(limit))
        raise SystemExit(EXIT_DEAD_LETTERS) from limit
    except (StreamError, KafkaException) as failed:
        log.error("failed", detail=str(failed), error=type(failed).__name__)
        raise SystemExit(EXIT_FAILED) from failed


def load_student(settings: Settings) -> Judge:
    """The student that the settings name. Raises BundleError."""
    # Imported here: only a process that judges needs ONNX Runtime.
    from worker.student.locate import find_bundle
    from worker.student.student import Student

    cache = Path(settings.student.cache_dir) if settings.student.cache_dir else None
    folder = find_bundle(settings.student.bundle, cache=cache)
    return Student.load(folder, settings.student.threads or os.cpu_count() or 1)


def follow_registry(
    settings: Settings, metrics: Metrics, log: Log, now: Callable[[], datetime] | None = None
) -> Switch:
    """Load what the registry says is live (else what the settings name), and follow it from there.

    Waits for a Kafka that is absent. Raises BundleError and StartupRefused.
    """
    # Imported here: the registry imports parts of this package.
    from worker.registry.heartbeat import Heartbeat
    from worker.registry.locations import cache_of
    from worker.registry.opening import Terms, open_first, opener
    from worker.registry.switch import Switch
    from worker.registry.topic import EntryReader

    stream, slot = settings.stream, settings.kafka.slot
    at_start = Patience(time.sleep, time.monotonic, metrics, log, stream.backoff_initial_s, stream.backoff_max_s)
    try:
        reader = EntryReader(settings.kafka)
    except ValueError as incomplete:
        raise StartupRefused(str(incomplete)) from incomplete
    try:
        state = at_start.call(reader.to_end)
    except UnknownMajorVersion as unknown:
        raise StartupRefused(f"{settings.kafka.topic(topics.MODELS)}: {unknown}") from unknown
    terms = Terms(settings.policy, stream.pair_order)
    open_bundle = opener(settings.student.threads or os.cpu_count() or 1, cache_of(settings))
    if state.number and settings.student.bundle != type(settings.student)().bundle:
        # Somebody asked for it by name, and gets another one.
        log.warning("student_bundle_not_used", bundle=settings.student.bundle, deployment=state.number)
    opened = open_first(state, terms, open_bundle, lambda: load_student(settings))
    pulse = Heartbeat(redis_client(settings), settings.redis.namespace, slot, time.monotonic)
    return Switch(reader, opened, terms, open_bundle, pulse, slot, time.monotonic, now or utc_now, metrics, log)


def utc_now() -> datetime:
    return datetime.now(UTC)


def build_worker(
    settings: Settings, judge: Judge, metrics: Metrics, log: Log, now: Callable[[], datetime] = utc_now,
    switch: Switch | None = None, progress: Callable[[], None] = lambda: None,
) -> Worker:  # fmt: skip
    """A worker that is ready to `run`, its surroundings checked. Waits for a Kafka or Redis that is absent.

    Without a `switch` the judge judges all pairs for as long as the worker lives, whatever the registry says.
    `progress` is called whenever the loop gets somewhere.
    Raises StartupRefused and worker.blocking.UnfitRedis.
    """
    kafka, stream = settings.kafka, settings.stream
    at_start = Patience(time.sleep, time.monotonic, metrics, log, stream.backoff_initial_s, stream.backoff_max_s)
    surroundings = at_start.call(lambda: look_around(settings))
    index = open_index(settings)
    at_start.call(lambda: redis_step(index.start_check))

    outputs = Outputs(kafka.topic_prefix)
    worker = Worker(stream, settings.blocking.k, time.monotonic, now, metrics, log, outputs, progress)
    manifest = judge.manifest
    basis = Basis(manifest.ref(), settings.policy.resolved(manifest.thresholds), stream.pair_order)

    session = Session(
        member_of(consumer_config(kafka)), kafka.topic(topics.CHANGES), worker.buffer,
        worker.revoked, worker.lost, metrics, log,
    )  # fmt: skip
    judging = Judging(index, judge, basis, 1 + stream.recheck_rounds, now, metrics, log)
    if switch is not None:
        judging.seats = switch.seats
    checkpoint = Checkpoint(lambda: Producer(producer_config(kafka)), worker.patience, time.monotonic, metrics, log)
    labels_config = consumer_config(kafka.model_copy(update={"group_id": kafka.group_id + LABELS_GROUP}))
    desk = Desk(
        member_of(labels_config), kafka.topic(topics.LABELS), checkpoint, index,
        lambda: judging.seats.live.basis, outputs, now, metrics, log, stream.poison_attempts,
        worker.patience, worker.be_whole, lambda: worker.wholeness.distrust(),
    )  # fmt: skip
    worker.attach(
        session,
        checkpoint,
        judging,
        Wholeness(index, f"{surroundings.generation}-{index.format}", surroundings.partitions, session.committed),
        Restorer(
            index, reader_config(kafka), kafka.topic(topics.OFFERS), kafka.topic(topics.DECISIONS),
            kafka.topic(topics.LABELS), surroundings.partitions, worker.alive, metrics, log,
        ),
        switch,
        desk,
    )  # fmt: skip
    log.info(
        "starting", bundle=f"{manifest.name} {manifest.version}", digest=manifest.digest()[:12], slot=kafka.slot,
        policy=basis.policy.version, k=settings.blocking.k, pair_order=basis.pair_order,
        deployment=judging.seats.deployment,
    )  # fmt: skip
    return worker


def open_index(settings: Settings) -> Index:
    """The index that the settings name; no connection is made yet."""
    return Index(redis_client(settings), BlockingSettings.from_sections(settings.blocking, settings.redis))


def redis_client(settings: Settings) -> Client:
    """A client of the Redis that the settings name; no connection is made yet."""
    redis = settings.redis
    if redis.url is None:
        raise StartupRefused("redis.url is not set (SAMESKU_REDIS__URL)")
    return server.connect(
        redis.url.get_secret_value(), timeout=redis.socket_timeout_s, connect_timeout=redis.connect_timeout_s,
        health_check_interval=redis.health_check_interval_s,
    )  # fmt: skip


class Surroundings:
    """What the topics say: how many partitions the input has, and what the index's generation is bound to."""

    def __init__(self, partitions: int, topic_id: str) -> None:
        self.partitions = partitions
        # A re-created topic starts its offsets anew, and another partition count moves offers to other partitions: in
        # both cases the effective versions in an older index mean nothing.
        self.generation = f"{topic_id}-{partitions}"


def look_around(settings: Settings) -> Surroundings:
    """Check the topics. Raises StartupRefused and Unavailable."""
    kafka = settings.kafka
    changes, offers = kafka.topic(topics.CHANGES), kafka.topic(topics.OFFERS)
    found = find_topics(kafka, [kafka.topic(name) for name in NEEDED])
    if found[changes].partitions != found[offers].partitions:
        raise StartupRefused(
            f"{offers} has {found[offers].partitions} partitions, {changes} has {found[changes].partitions}: they must "
            f"be equal, or the index cannot be restored. Give {offers} as many partitions and load the catalogue again"
        )
    return Surroundings(found[changes].partitions, found[changes].topic_id)
