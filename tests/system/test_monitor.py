"""Two monitors that are killed, restarted and stopped while decisions flow: every window's counts equal the truth."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import psutil
import pytest
import redis
from confluent_kafka import Producer

from samesku.topics import TopicAdmin
from schemas import topics
from schemas.drift import DriftEvent, InputKind
from schemas.events import Event, dumps
from schemas.settings import Settings
from tests.system.cluster import PATIENCE, Reader, environment_of
from tests.worker.monitor.making import answered, listed, some_decision
from worker.monitor.distance import add
from worker.monitor.facts import facts_of
from worker.monitor.overview import overview
from worker.monitor.page import html
from worker.monitor.store import MonitorStore
from worker.monitor.windows import WindowId, window_start

pytestmark = pytest.mark.system

WINDOW_S = 1
PARTITIONS = 3
TRANSACTIONS = 140
Counts = dict[str, dict[str, dict[str, int]]]


class Monitors:
    """Topics and a namespace of one test, and monitor processes on them."""

    def __init__(self, bootstrap: str, redis_url: str) -> None:
        self.prefix = f"t{uuid.uuid4().hex[:8]}."
        self.bootstrap, self.redis_url = bootstrap, redis_url
        self.processes: list[subprocess.Popen[bytes]] = []
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the test
        self.settings = Settings.model_validate(
            {
                "kafka": {"bootstrap_servers": bootstrap, "topic_prefix": self.prefix, "partitions": PARTITIONS},
                "redis": {"url": redis_url, "namespace": self.prefix.rstrip(".")},
                "monitor": {
                    "group_id": f"{self.prefix}monitor", "window_s": WINDOW_S, "grace_s": 0.5, "poll_s": 0.3,
                    "unit": 20, "reference_units": 5, "trial_units": 5,
                },
                "log": {"json_lines": True},
            }
        )  # fmt: skip
        TopicAdmin(self.settings.kafka.client_config()).apply(self.settings.kafka.topic_specs())
        self.store = MonitorStore.connect(self.settings.redis, self.settings.monitor)
        self.readers: dict[str, Reader] = {}

    def start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("samesku"), "monitor", "run"],
            env={**os.environ, **environment_of(self.settings)}, stdout=subprocess.DEVNULL, stderr=self._log,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited for: {what}\n{self.log()[-8000:]}")
            time.sleep(0.2)

    def log(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    def counted(self, topic: str) -> int:
        """Records behind the marks, aborted ones and transactions' ends included."""
        full = self.settings.kafka.topic(topic)
        return sum(mark + 1 for name, (mark, _) in self.store.marks().items() if name.startswith(f"{full}/"))

    def truth(self, topic: str, inputs: InputKind) -> dict[WindowId, Counts]:
        """The counts of every window, from the committed records alone."""
        reader = self.readers.setdefault(topic, Reader(self.bootstrap, self.settings.kafka.topic(topic)))
        windows: dict[WindowId, Counts] = {}
        for record in reader.read():
            facts = facts_of(topic, record.value)
            if facts is None:
                continue
            assert record.timestamp_ms is not None
            assert facts.inputs == inputs
            window = windows.setdefault(WindowId(window_start(record.timestamp_ms, WINDOW_S), facts.epoch), {})
            for segment in facts.segments:
                for name, place, amount in facts.counts:
                    add(window.setdefault(segment, {}).setdefault(name, {}), {place: amount})
        return windows

    def found(self, inputs: InputKind) -> dict[WindowId, Counts]:
        return {each: self.store.window(inputs, each).segments for each in self.store.windows(inputs)}

    def drift(self) -> list[DriftEvent]:
        reader = self.readers.setdefault("drift", Reader(self.bootstrap, self.settings.kafka.topic(topics.DRIFT)))
        return [DriftEvent.model_validate(orjson.loads(record.value or b"")) for record in reader.read()]

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(PATIENCE)
        for reader in self.readers.values():
            reader.close()
        self.store.close()
        self._log.close()


@pytest.fixture
def monitors(kafka: str, redis_url: str) -> Iterator[Monitors]:
    made = Monitors(kafka, redis_url)
    yield made
    made.close()


def transactions(monitors: Monitors, stop: threading.Event) -> None:
    """Decisions, offers and answers in transactions as a worker writes them; every fifth is aborted."""
    chance = random.Random(7)
    producer = Producer(
        {
            "bootstrap.servers": monitors.bootstrap, "transactional.id": f"{monitors.prefix}flow",
            "partitioner": topics.PARTITIONER, "transaction.timeout.ms": 10_000,
            # As workers write, whose records the monitor must be able to read.
            "compression.type": "lz4",
        }
    )  # fmt: skip
    producer.init_transactions(30)

    def send(topic: str, key: str, event: Event) -> None:
        producer.produce(monitors.settings.kafka.topic(topic), key=key.encode(), value=dumps(event))

    for number in range(TRANSACTIONS):
        if stop.is_set():
            return
        producer.begin_transaction()
        for place in range(12):
            made = some_decision(100 * number + place, chance)
            send(topics.DECISIONS, made.pair_id, made)
        offer = listed(number, f"canon camera {number}", category="video")
        send(topics.OFFERS, offer.key, offer)
        answer = answered(number, candidates=chance.randrange(12))
        send(topics.ANSWERS, answer.key or "", answer)
        if number % 5 == 4:
            producer.flush(30)
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
        time.sleep(0.1)


def test_every_windows_counts_equal_the_truth_whatever_happens_to_the_monitors(monitors: Monitors) -> None:
    stop = threading.Event()
    flow = threading.Thread(target=transactions, args=(monitors, stop), daemon=True)
    one, two = monitors.start(), monitors.start()
    flow.start()
    try:
        monitors.wait(lambda: monitors.counted(topics.DECISIONS) > 300, "the first decisions")
        # Faust's own web server would listen on all interfaces.
        assert not [
            each for each in psutil.Process(one.pid).net_connections("tcp") if each.status == psutil.CONN_LISTEN
        ]
        one.kill()
        third = monitors.start()
        monitors.wait(lambda: monitors.counted(topics.DECISIONS) > 700, "decisions after the first kill")
        two.send_signal(signal.SIGTERM)
        assert two.wait(PATIENCE) == 0
        monitors.start()
        flow.join(PATIENCE)
        third.kill()
    finally:
        stop.set()
    expected = monitors.truth(topics.DECISIONS, "decisions")
    last = max(expected).member
    monitors.wait(lambda: monitors.store.position("decisions") == last, "the last window to be compared")

    found = monitors.found("decisions")
    assert found == expected
    counted = sum(window["all"]["sum.n"][""] for window in found.values())
    assert counted == 12 * TRANSACTIONS * 4 // 5
    assert monitors.found("offers") == monitors.truth(topics.OFFERS, "offers")
    assert monitors.found("answers") == monitors.truth(topics.ANSWERS, "answers")
    assert "estimated" in html(overview(monitors.store, monitors.settings.monitor, 50))
    # An event may be published twice by two monitors; then both are the same.
    events = {event.event_id: event for event in monitors.drift()}
    assert [event.kind for event in events.values() if event.stream == "decisions/all/*"] == ["reference"]


def test_a_redis_that_was_emptied_counts_on(monitors: Monitors) -> None:
    with redis.Redis.from_url(monitors.redis_url) as client:
        monitors.start()
        flow = threading.Thread(target=transactions, args=(monitors, threading.Event()), daemon=True)
        flow.start()
        monitors.wait(lambda: monitors.counted(topics.DECISIONS) > 300, "the first decisions")
        client.flushdb()
        flow.join(PATIENCE)
        expected = monitors.truth(topics.DECISIONS, "decisions")
        monitors.wait(lambda: max(expected) in monitors.store.windows("decisions"), "the last window")
        monitors.wait(lambda: monitors.store.position("decisions") == max(expected).member, "the last comparison")
    assert monitors.found("decisions")[max(expected)] == expected[max(expected)]
