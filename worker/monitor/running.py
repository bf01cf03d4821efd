"""From settings to a running monitor. Exit codes: 0 stopped by a signal, 1 failed, 2 refused."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import faust

from schemas.events import UnknownMajorVersion
from schemas.settings import Settings
from worker.monitor.application import build_app
from worker.monitor.counting import Counter, asking, topic_names
from worker.monitor.publishing import publisher
from worker.monitor.reader import CommittedReader
from worker.monitor.store import MonitorStore
from worker.monitor.tick import Ticker
from worker.monitor.vocabulary import Vocabulary
from worker.stream import logs
from worker.stream.backoff import Log, Patience
from worker.stream.errors import StartupRefused
from worker.stream.metrics import Metrics
from worker.stream.process import EXIT_FAILED, EXIT_REFUSED, observe


class Failure:
    """Remembers why the process ends, and asks it to."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.error: BaseException | None = None

    def __call__(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
            detail = str(error)
            self._log.error("failed", detail=detail, error=type(error).__name__)
            if isinstance(error, UnknownMajorVersion):
                self._log.error("halted", detail="upgrade the monitor; nothing is skipped")
            os.kill(os.getpid(), signal.SIGTERM)


def run_monitor(settings: Settings) -> None:
    """Count and compare until SIGTERM or SIGINT. Ends the process with one of the codes above."""
    log = logs.configure(settings.log)
    failure = Failure(log)
    with ExitStack() as stack:
        try:
            metrics, _ = observe(settings, log)
            datadir = settings.monitor.datadir or stack.enter_context(tempfile.TemporaryDirectory(prefix="samesku-"))
            Path(datadir).mkdir(parents=True, exist_ok=True)
            app = _wire(settings, datadir, metrics, log, failure, stack)
        except (ValueError, OSError, StartupRefused) as refused:
            log.error("refused", detail=str(refused))
            raise SystemExit(EXIT_REFUSED) from refused
        log.info("starting", group=settings.monitor.group_id, window_s=settings.monitor.window_s)
        # Faust's own words are warnings at least: an INFO line for every assignment belongs into no log of ours.
        worker = faust.Worker(app, loglevel="WARNING", redirect_stdouts=False, quiet=True)
        try:
            worker.execute_from_commandline()
        except SystemExit as ended:
            # Ends with 0 also after a crash of a service, which has then been logged.
            if failure.error is not None or ended.code:
                raise SystemExit(EXIT_FAILED) from failure.error
        log.info("monitor_stopped")


def _wire(
    settings: Settings, datadir: str, metrics: Metrics, log: Log, failure: Failure, stack: ExitStack
) -> Any:  # fmt: skip
    stream = settings.stream
    store = MonitorStore.connect(settings.redis, settings.monitor)
    stack.callback(store.close)
    patience = Patience(time.sleep, time.monotonic, metrics, log, stream.backoff_initial_s, stream.backoff_max_s)
    bitmap = patience.call(lambda: asking(store.vocabulary))
    vocabulary = Vocabulary(bitmap) if bitmap is not None else None
    names = topic_names(settings.kafka.topic)
    # Two readers: one fills gaps in the counting thread, the other looks ahead in the closing thread.
    filling, ahead = CommittedReader(settings.kafka), CommittedReader(settings.kafka)
    stack.callback(filling.close)
    stack.callback(ahead.close)
    counter = Counter(store, filling, settings.monitor, names, vocabulary, patience, metrics, log)
    now = lambda: time.time_ns() // 1_000_000  # noqa: E731
    ticker = Ticker(store, ahead, names, settings.monitor, publisher(settings), now, metrics, log)
    return build_app(settings, datadir, counter, ticker.tick, failure)
