"""What a process says of itself over HTTP, and what the watchdog says when it gets nowhere."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from structlog.testing import CapturingLogger

from worker.stream.health import Health, serve, stacks
from worker.stream.metrics import STUCK, WAITING, Metrics


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def log() -> CapturingLogger:
    return CapturingLogger()


@pytest.fixture
def health(metrics: Metrics, log: CapturingLogger, clock: Clock) -> Health:
    return Health(metrics, log, clock, stuck_after=10)


@pytest.fixture
def port(health: Health, metrics: Metrics) -> Iterator[int]:
    server = serve(health, metrics, "127.0.0.1", 0)
    yield server.server_port
    server.shutdown()
    server.server_close()


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as got:
            return got.status, got.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_a_process_without_a_loop_of_its_own_is_ready(port: int) -> None:
    assert ask(port, "/livez") == ask(port, "/readyz") == (200, "ok\n")


def test_a_process_that_starts_is_alive_and_not_ready(health: Health, port: int, clock: Clock) -> None:
    health.expect()
    clock.now += 1000
    assert (ask(port, "/livez")[0], ask(port, "/readyz")) == (200, (503, "starting\n"))
    health.progress()
    assert ask(port, "/readyz") == (200, "ok\n")


def test_who_waits_is_alive_and_not_ready(health: Health, metrics: Metrics, port: int) -> None:
    health.progress()
    metrics.set(WAITING, 1, system="kafka")
    metrics.set(WAITING, 1, system="redis")
    assert ask(port, "/livez")[0] == 200
    assert ask(port, "/readyz") == (503, "waiting for kafka\nwaiting for redis\n")
    metrics.set(WAITING, 0, system="kafka")
    metrics.set(WAITING, 0, system="redis")
    assert ask(port, "/readyz")[0] == 200


def test_who_gets_nowhere_is_stuck_until_it_gets_somewhere(health: Health, port: int, clock: Clock) -> None:
    health.progress()
    clock.now += 10
    assert ask(port, "/livez")[0] == 200
    clock.now += 0.1
    assert ask(port, "/livez") == ask(port, "/readyz") == (503, "stuck\n")
    health.progress()
    assert ask(port, "/livez")[0] == 200


def test_the_watchdog_says_once_where_every_thread_stands(
    health: Health, metrics: Metrics, log: CapturingLogger, clock: Clock
) -> None:
    released = threading.Event()

    def waits_for_ever() -> None:
        released.wait()

    thread = threading.Thread(target=waits_for_ever, name="the loop")
    thread.start()
    try:
        health.progress()
        health.look()
        clock.now += 11
        health.look()
        health.look()
        assert [call.method_name for call in log.calls] == ["error"]
        said = log.calls[0]
        assert said.args == ("stuck",)
        (where,) = (stack for name, stack in said.kwargs["stacks"].items() if name.startswith("the loop"))
        assert any(line.endswith("waits_for_ever") for line in where)
        assert metrics.value(STUCK) == 1
        health.progress()
        health.look()
        assert [call.args[0] for call in log.calls] == ["stuck", "no_longer_stuck"]
        assert metrics.value(STUCK) == 0
    finally:
        released.set()
        thread.join()


def test_metrics_and_nothing_else_are_served(port: int, metrics: Metrics) -> None:
    metrics.set(STUCK, 1)
    status, text = ask(port, "/metrics")
    assert (status, "samesku_stuck 1.0" in text) == (200, True)
    assert ask(port, "/")[0] == 404


def test_stacks_name_the_caller() -> None:
    assert any(line.endswith("test_stacks_name_the_caller") for stack in stacks().values() for line in stack)
