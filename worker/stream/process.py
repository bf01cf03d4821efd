"""What every long-running process of the worker shares: signals, metrics, exit codes, waits, topics that must be there.

Non-goals: what the process does, and the exit codes that only one of them has.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.sections import KafkaSettings
from schemas.settings import Settings
from worker.stream import health, logs
from worker.stream.backoff import Log
from worker.stream.clients import reader_config
from worker.stream.errors import StartupRefused, Stopping, StreamError, Unavailable
from worker.stream.metrics import Metrics
from worker.stream.session import ASK_TIMEOUT
from worker.stream.transaction import kafka_error

EXIT_FAILED, EXIT_REFUSED = 1, 2
# Seconds between two looks at the stop flag while waiting.
LOOK = 0.5


class Runs(Protocol):
    """What runs until it is told to stop; `stop` is safe in a signal handler."""

    def run(self) -> None: ...

    def stop(self) -> None: ...


class Stopper:
    """SIGTERM and SIGINT: before there is something that runs they end the process, then they ask it to finish."""

    def __init__(self) -> None:
        self.running: Runs | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.running is None:
            raise SystemExit(0)
        self.running.stop()


def observe(settings: Settings, log: Log) -> tuple[Metrics, health.Health]:
    """The catalogue and the process's health, watched, and served over HTTP where the settings name a port.

    Raises:
        StartupRefused: the address cannot be bound.
    """
    section, metrics = settings.metrics, Metrics()
    found = health.Health(metrics, log, time.monotonic, section.stuck_after_s)
    if section.port:
        try:
            health.serve(found, metrics, section.host, section.port)
        except OSError as error:
            where = f"metrics.host {section.host!r}, metrics.port {section.port}"
            detail = f"{where}: {error.strerror or error}; name an address that is free, or port 0"
            raise StartupRefused(detail) from error
    threading.Thread(target=found.watch, args=(threading.Event(),), name="watchdog", daemon=True).start()
    return metrics, found


def run_process(
    settings: Settings,
    build: Callable[[Metrics, Log], Runs],
    refusals: tuple[type[Exception], ...] = (),
    failures: tuple[type[Exception], ...] = (),
) -> None:
    """Build something and run it until SIGTERM or SIGINT.

    Raises SystemExit with EXIT_REFUSED for StartupRefused and `refusals`, with EXIT_FAILED for any other StreamError,
    KafkaException and `failures`.
    """
    refusing: tuple[type[Exception], ...] = (StartupRefused, *refusals)
    failing: tuple[type[Exception], ...] = (StreamError, KafkaException, *failures)
    log = logs.configure(settings.log)
    stopper = Stopper()
    try:
        running = build(observe(settings, log)[0], log)
        stopper.running = running
        running.run()
    except refusing as refused:
        log.error("refused", detail=str(refused))
        raise SystemExit(EXIT_REFUSED) from refused
    except failing as failed:
        log.error("failed", detail=str(failed), error=type(failed).__name__)
        raise SystemExit(EXIT_FAILED) from failed


def pause(seconds: float, stopping: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
    """Wait, looking at the stop flag. Raises Stopping."""
    end = clock() + seconds
    while (left := end - clock()) > 0:
        if stopping():
            raise Stopping
        time.sleep(min(left, LOOK))


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic that is there. One that is made anew has another id."""

    topic_id: str
    partitions: int


def find_topics(kafka: KafkaSettings, names: Sequence[str]) -> dict[str, FoundTopic]:
    """Look up topics by their full names. Raises StartupRefused (one is missing) and Unavailable."""
    try:
        admin = AdminClient(reader_config(kafka))
    except ValueError as incomplete:
        raise StartupRefused(str(incomplete)) from incomplete
    try:
        found = admin.list_topics(timeout=ASK_TIMEOUT).topics
        if missing := [name for name in names if name not in found]:
            raise StartupRefused(f"topics are missing: {', '.join(missing)}; make them with `samesku topics apply`")
        described: Any = admin.describe_topics(TopicCollection(list(names)), request_timeout=ASK_TIMEOUT)
        return {
            name: FoundTopic(str(described[name].result(2 * ASK_TIMEOUT).topic_id), len(found[name].partitions))
            for name in names
        }
    except KafkaException as exception:
        error = kafka_error(exception)
        raise Unavailable("kafka", f"{error.name()}: {error.str()}") from exception
