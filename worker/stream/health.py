"""Whether a process gets anywhere, and where it stands when it does not: a watchdog, and the HTTP that says so.

* `/livez`: 200 while the process gets somewhere, 503 once it is stuck: only a restart helps then.
* `/readyz`: 200 while it does its work, 503 while it starts, waits for a system that is gone, or is stuck; the body
  names the reasons, one a line.
* `/metrics`: Prometheus.

Waiting for a system that is gone is getting somewhere: the process asks again and again, and a restart would not help.
A process that never says `progress` (it has no loop of its own) is alive and ready as long as it answers.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from worker.stream.backoff import Log
from worker.stream.metrics import STUCK, WAITING, Metrics

SYSTEMS = ("kafka", "redis", "index", "store")
# Seconds between two looks of the watchdog.
LOOK = 1.0


class Health:
    """What a loop says of itself (`progress`), and what follows from it. Safe from several threads.

    `stuck_after`: seconds without progress after which the process counts as stuck. `clock` is monotonic, in seconds.
    """

    def __init__(self, metrics: Metrics, log: Log, clock: Callable[[], float], stuck_after: float) -> None:
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._stuck_after = stuck_after
        self._progress: float | None = None
        self._expected = False
        self._told = False

    def expect(self) -> None:
        """From now on the process is starting, until it makes progress for the first time."""
        self._expected = True

    def progress(self) -> None:
        """The loop has got somewhere. Cheap: it is called at every step."""
        self._progress = self._clock()

    @property
    def stuck(self) -> bool:
        """Whether there has been no progress for too long. A process that is starting is not stuck."""
        return self._progress is not None and self._clock() - self._progress > self._stuck_after

    def problems(self) -> list[str]:
        """Why the process is not ready; empty if it is."""
        found = [f"waiting for {system}" for system in SYSTEMS if self._metrics.value(WAITING, system=system)]
        if self._progress is None and self._expected:
            found.append("starting")
        if self.stuck:
            found.append("stuck")
        return found

    def look(self) -> None:
        """Once for each time that the process gets stuck: say so, with the stack of every thread."""
        stuck = self.stuck
        if stuck and not self._told:
            self._metrics.set(STUCK, 1)
            self._log.error("stuck", stuck_after_s=self._stuck_after, stacks=stacks())
        elif self._told and not stuck:
            self._metrics.set(STUCK, 0)
            self._log.info("no_longer_stuck")
        self._told = stuck

    def watch(self, stopped: threading.Event) -> None:
        """Look every second until `stopped` is set."""
        while not stopped.wait(LOOK):
            self.look()


def stacks() -> dict[str, list[str]]:
    """Where each thread of the process stands, innermost call last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        f"{names.get(ident, 'unknown')} ({ident})": [
            f"{entry.filename}:{entry.lineno} {entry.name}" for entry in traceback.extract_stack(frame)
        ]
        for ident, frame in sys._current_frames().items()
    }


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Requests every few seconds are no news."""


def serve(health: Health, metrics: Metrics, host: str, port: int) -> ThreadingWSGIServer:
    """Answer over HTTP in a thread of its own; the server's `server_port` says where when `port` is 0.

    Raises:
        OSError: the address cannot be bound.
    """
    prometheus = make_wsgi_app(metrics.registry)

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            found: Iterable[bytes] = prometheus(environ, start)
            return found
        if path == "/livez":
            return _answer(start, ["stuck"] if health.stuck else [])
        if path == "/readyz":
            return _answer(start, health.problems())
        return _answer(start, ["there are /livez, /readyz and /metrics"], "404 Not Found")

    server = make_server(host, port, app, ThreadingWSGIServer, _Silent)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def _answer(
    start: StartResponse, problems: list[str], otherwise: str = "503 Service Unavailable"
) -> Iterable[bytes]:  # fmt: skip
    start(otherwise if problems else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return ["\n".join([*problems, ""] if problems else ["ok", ""]).encode()]
