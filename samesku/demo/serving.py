"""The demo's worker: `samesku worker` as a process of its own, which ends when the demo ends, however it ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient
from tenacity import RetryError, Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from samesku.embedded.supervise import ServerFolder, ServerProcess
from schemas.sections import KafkaSettings
from schemas.settings import Settings

# Longer than the worker's own deadline for leaving cleanly (stream.revoke_deadline_s).
STOP_SECONDS = 30.0


# Loading half a gigabyte of weights from a cold disk takes most of it.
READY_SECONDS = 120.0
POLL_SECONDS = 0.2


class WorkerEnded(Exception):
    """The worker ended while it was needed; the text is the end of its log."""


def worker_environment(settings: Settings, bundle: str) -> dict[str, str]:
    """The variables that make a worker use these settings; they hold secrets in clear, so they are not arguments."""
    url = settings.redis.url.get_secret_value() if settings.redis.url else ""
    return {
        "SAMESKU_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers or "",
        "SAMESKU_KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "SAMESKU_KAFKA__GROUP_ID": settings.kafka.group_id,
        "SAMESKU_KAFKA__TRANSACTIONAL_ID_PREFIX": settings.kafka.transactional_id_prefix,
        "SAMESKU_REDIS__URL": url,
        "SAMESKU_REDIS__NAMESPACE": settings.redis.namespace,
        "SAMESKU_STUDENT__BUNDLE": bundle,
        "SAMESKU_BLOCKING__K": str(settings.blocking.k),
        "SAMESKU_STREAM__BATCH_SIZE": str(settings.stream.batch_size),
        "SAMESKU_STREAM__MAX_WAIT_MS": str(settings.stream.max_wait_ms),
        "SAMESKU_STREAM__DEAD_LETTER_MAX_SHARE": str(settings.stream.dead_letter_max_share),
    }


@contextmanager
def running_worker(environment: Mapping[str, str]) -> Iterator[ServerProcess]:
    """A worker with these variables, until the end of the block. Raises EmbeddedError if it cannot be started."""
    folder = ServerFolder(None, "samesku-worker-")
    try:
        with _environment(environment):
            process = ServerProcess("worker", [sys.executable, "-m", "samesku.cli", "worker"], folder)
        try:
            yield process
        finally:
            process.stop(STOP_SECONDS)
    finally:
        folder.remove()


def await_worker(process: ServerProcess, kafka: KafkaSettings) -> None:
    """Return when the worker has joined its group and has its partitions. Raises WorkerEnded."""
    admin = AdminClient({"log_level": 0, **kafka.client_config()})

    def has_joined() -> bool:
        check_alive(process)
        group = admin.describe_consumer_groups([kafka.group_id])[kafka.group_id].result(READY_SECONDS)
        return group.state is ConsumerGroupState.STABLE and bool(group.members)

    # The broker says "coordinator loading" and the like while it starts, too.
    again = retry_if_result(lambda joined: not joined) | retry_if_exception_type(KafkaException)
    try:
        Retrying(retry=again, wait=wait_fixed(POLL_SECONDS), stop=stop_after_delay(READY_SECONDS))(has_joined)
    except RetryError as error:
        raise WorkerEnded(f"the worker did not get ready; its log ends:\n{process.tail()}") from error


def check_alive(process: ServerProcess) -> None:
    """Raises WorkerEnded."""
    if not process.is_alive():
        raise WorkerEnded(f"the worker ended; its log ends:\n{process.tail()}")


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These variables in our own environment, for the process that is started inside the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that everything is taken down in good order."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
