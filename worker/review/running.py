"""From settings to a running page: the web server, and beside it one thread that reads the topics and sends labels.

The thread alone touches Kafka. While Kafka is gone people go on labelling; what they say waits in the outbox.
Exit codes: 0 stopped by a signal, 1 failed, 2 refused.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import uvicorn
from confluent_kafka import KafkaException

from schemas import topics
from schemas.events import EventError
from schemas.settings import Settings
from worker.review.database import Database
from worker.review.errors import ReviewError
from worker.review.intake import Intake
from worker.review.publishing import Outbox
from worker.review.web.app import create_app
from worker.stream import logs
from worker.stream.backoff import Log
from worker.stream.errors import StreamError, Unavailable
from worker.stream.process import EXIT_FAILED, EXIT_REFUSED
from worker.stream.publisher import Publisher

# Seconds that the thread gets to finish its step; what it was doing is settled at the next start.
LEAVE_S = 5.0


class Courier:
    """Reads what is new and sends what is due, step after step, until told to stop."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        log: Log,
        failed: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._database = database
        self._log = log
        self._failed = failed
        self._clock = clock
        self._stop = threading.Event()
        self._state = "Reading the topics …"
        self.error: BaseException | None = None
        # A daemon: a wait for a Kafka that is gone must not keep the process.
        self._thread = threading.Thread(target=self._guarded, name="courier", daemon=True)

    def state(self) -> str:
        """For the page's head; empty: all is well."""
        return self._state

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(LEAVE_S)

    def _guarded(self) -> None:
        try:
            self._run()
        except (ReviewError, StreamError, EventError, KafkaException, ValueError) as error:
            self._log.error("courier_failed", error=type(error).__name__, detail=str(error))
            self.error = error
            self._state = "The topics cannot be read: see the log. Votes are kept, and leave after a restart."
            self._failed()

    def _run(self) -> None:
        review, kafka = self._settings.review, self._settings.kafka
        intake = Intake(kafka, self._database, review.double_share, self._clock, self._log)
        publisher = Publisher(self._settings, "review", kafka.slot, self._log)
        outbox = Outbox(self._database, publisher, kafka.topic(topics.LABELS), self._clock, self._log)

        def read() -> None:
            self._patiently(intake.tasks_and_labels)

        try:
            outbox.recover(read)
            while not self._stop.is_set():
                self._patiently(intake.step)
                outbox.publish(read)
                self._stop.wait(review.poll_s)
        finally:
            intake.close()
            publisher.close()

    def _patiently(self, step: Callable[[], int]) -> None:
        """Do a step that ends as soon as Kafka is there; says once that it waits, and once that it goes on."""
        waited = False
        while not self._stop.is_set():
            try:
                step()
            except Unavailable as error:
                if not waited:
                    self._log.warning("waiting", system=error.system, detail=error.detail)
                    self._state = "Kafka cannot be reached. Votes are kept, and leave when it is back."
                waited = True
                self._stop.wait(self._settings.stream.backoff_max_s)
                continue
            if waited:
                self._log.info("resumed", system="kafka")
            self._state = ""
            return


def run_page(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises SystemExit with one of the codes above when it ends otherwise."""
    log = logs.configure(settings.log)
    try:
        database = Database(settings.review.database)
    except ReviewError as refused:
        log.error("refused", detail=str(refused))
        raise SystemExit(EXIT_REFUSED) from refused
    try:
        with database.alone(), _listening(settings.review.host, settings.review.port) as listener:
            _serve(settings, database, listener, log)
    except (ReviewError, OSError) as refused:
        log.error("refused", detail=str(refused))
        raise SystemExit(EXIT_REFUSED) from refused
    finally:
        database.close()


def _listening(host: str, port: int) -> socket.socket:
    """A bound socket, before anything else is started: a taken port is the commonest mistake. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, number, _, address = found[0]
    listener = socket.socket(family, kind, number)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(f"{host}:{port}: {error.strerror}") from error
    return listener


def _serve(settings: Settings, database: Database, listener: socket.socket, log: Log) -> None:
    def failed() -> None:
        server.should_exit = True

    courier = Courier(settings, database, log, failed)
    app = create_app(database, settings.review, state=courier.state)
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, lifespan="off",
            # Behind a proxy its address would count for everybody: trust what it says only from this machine.
            proxy_headers=True, forwarded_allow_ips="127.0.0.1",
        )
    )  # fmt: skip
    # The server hands the signal on when it has ended well; being told to stop is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    courier.start()
    address, port = listener.getsockname()[:2]
    log.info("serving", url=f"http://{address}:{port}/", database=str(database.path))
    try:
        server.run(sockets=[listener])
    finally:
        courier.stop()
    if courier.error is not None:
        raise SystemExit(EXIT_FAILED) from courier.error
