"""The sink on a real broker: killed, doubled, merged under, and asked to forget; the store then equals the topics."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from samesku.audit.checking import compare, inspect
from samesku.topics import TopicAdmin
from schemas import topics
from schemas.decision import MatchDecision
from schemas.events import dumps
from schemas.settings import Settings
from tests.system.cluster import PATIENCE, environment_of
from tests.worker.audit.making import judged, offer, offer_record
from worker.audit.compaction import compact_all
from worker.audit.contents import Contents
from worker.audit.erasing import erase
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, OFFERS, Table
from worker.stream.startup import utc_now

pytestmark = pytest.mark.system


class Sinks:
    """Topics of one test, a store, and sink processes that fill it."""

    def __init__(self, bootstrap: str, root: Path) -> None:
        self.prefix = f"t{uuid.uuid4().hex[:8]}."
        self.bootstrap = bootstrap
        self.root = root
        self.processes: list[subprocess.Popen[bytes]] = []
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the test
        TopicAdmin(self.settings("g").kafka.client_config()).apply(self.settings("g").kafka.topic_specs())

    def settings(self, group: str, bootstrap: str | None = None) -> Settings:
        return Settings.model_validate(
            {
                "kafka": {
                    "bootstrap_servers": bootstrap or self.bootstrap, "topic_prefix": self.prefix, "partitions": 3,
                    "session_timeout_ms": 6_000, "transaction_timeout_ms": 10_000,
                },
                "audit": {
                    "root": str(self.root), "group_id": f"{self.prefix}{group}", "flush_s": 0.2, "flush_rows": 40,
                    "fan": 4, "part_rows": 200, "memory_mb": 256, "threads": 1,
                },
                "log": {"json_lines": True},
            }
        )  # fmt: skip

    def start(self, group: str, bootstrap: str | None = None) -> subprocess.Popen[bytes]:
        """A sink; one of another group reads the same partitions as all others."""
        process = subprocess.Popen(
            [Path(sys.executable).with_name("samesku"), "audit", "sink"],
            env={**os.environ, **environment_of(self.settings(group, bootstrap))},
            stdout=subprocess.DEVNULL, stderr=self._log,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def said(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode()

    def await_said(self, text: str, times: int = 1) -> None:
        """Wait until the sinks' logs hold a text so often."""
        deadline = time.monotonic() + PATIENCE
        while self.said().count(text) < times:
            assert time.monotonic() < deadline, self.said()[-5_000:]
            time.sleep(0.1)

    def store(self) -> AuditStore:
        return AuditStore(str(self.root), memory_mb=256, threads=1)

    def producer(self, name: str = "p") -> Producer:
        made = Producer(
            {
                "bootstrap.servers": self.bootstrap, "partitioner": topics.PARTITIONER,
                "transactional.id": f"{self.prefix}{name}", "transaction.timeout.ms": 10_000,
                "log_level": "2",
            }
        )  # fmt: skip
        made.init_transactions(60)
        return made

    def publish(self, producer: Producer, decisions: list[MatchDecision], *, commit: bool = True) -> None:
        """One transaction."""
        producer.begin_transaction()
        for made in decisions:
            producer.produce(self.prefix + topics.DECISIONS, key=made.pair_id.encode(), value=dumps(made))
        producer.flush(60)
        producer.commit_transaction(60) if commit else producer.abort_transaction(60)

    def await_rows(self, table: Table, count: int) -> None:
        """Wait until the store holds so many rows; fails with what the sinks said."""
        store = self.store()

        @retry(
            retry=retry_if_result(lambda found: found < count), wait=wait_fixed(0.3), stop=stop_after_delay(PATIENCE),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else 0,
        )  # fmt: skip
        def held() -> int:
            return sum(1 for _ in store.stream(table))

        found = held()
        assert found == count, self.said()[-5_000:]

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._log.close()


@pytest.fixture
def sinks(kafka: str, tmp_path: Path) -> Iterator[Sinks]:
    made = Sinks(kafka, tmp_path / "audit")
    yield made
    made.close()


def sound(sinks: Sinks) -> list[str]:
    """What is wrong with the store by itself and against the topic: nothing."""
    store = sinks.store()
    return [*inspect(store).problems, *compare(store, sinks.settings("g").kafka)]


def aside(work: Callable[[], None]) -> Callable[[], None]:
    """Do something again and again in a thread; returns what ends it, and raises what it raised."""
    ending = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        while not ending.is_set():
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised again by end()
                failed.append(error)
                return

    thread = threading.Thread(target=run)
    thread.start()

    def end() -> None:
        ending.set()
        thread.join()
        if failed:
            raise failed[0]

    return end


def test_killed_doubled_and_merged_under_it_holds_every_record_once(sinks: Sinks) -> None:
    chance = random.Random(11)
    producer = sinks.producer()
    sinks.store().claim({})

    def merge_and_read() -> None:
        store = sinks.store()
        seen = [(row["partition"], row["offset"]) for row in store.stream(DECISIONS)]
        assert len(seen) == len(set(seen)), "a reader saw a record twice"
        compact_all(store, fan=3, part_rows=100)
        time.sleep(0.1)

    end = aside(merge_and_read)
    running = [sinks.start("one"), sinks.start("two")]
    started, committed = 2, 0
    sinks.await_said('"assigned"', started)
    for number in range(30):
        made = [
            judged(offer(n, "a"), offer(chance.randrange(20), "b"), (number + 1, 1), decision_id=f"{number}-{n}")
            for n in range(chance.randrange(1, 40))
        ]
        keep = number % 3 != 1
        sinks.publish(producer, made, commit=keep)
        committed += len(made) if keep else 0
        if number % 5 == 4:
            time.sleep(chance.random() * 2)
            running.pop(0).kill()
            # A group of its own: it takes over at once, beside the other.
            running.append(sinks.start(f"{number}"))
            started += 1
            # So that the next one to be killed is at work, and not at its imports.
            sinks.await_said('"assigned"', started)
    sinks.await_rows(DECISIONS, committed)
    end()
    for process in running:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert sound(sinks) == []
    assert "overtaken" in sinks.said(), "no sink met another's file: the test showed nothing"


def test_it_waits_for_the_broker_shares_partitions_and_leaves_with_everything_written(sinks: Sinks) -> None:
    producer = sinks.producer()
    decisions = [judged(offer(n, "a"), offer(n, "b")) for n in range(120)]
    sinks.publish(producer, decisions[:60])
    first = sinks.start("shared")
    sinks.await_rows(DECISIONS, 60)
    second = sinks.start("shared")
    sinks.await_said('"assigned"', 2)
    sinks.publish(producer, decisions[60:])
    sinks.await_rows(DECISIONS, 120)
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert sound(sinks) == []
    absent = sinks.start("absent", bootstrap="127.0.0.1:9")
    sinks.await_said('"waiting"')
    assert absent.poll() is None
    absent.send_signal(signal.SIGTERM)
    assert absent.wait(PATIENCE) == 0


def test_erased_text_stays_erased_when_the_topics_are_read_again(sinks: Sinks) -> None:
    gone, other = offer(1, "a", "zebra-striped"), offer(1, "b")
    producer = sinks.producer()
    sinks.publish(producer, [judged(gone, other), judged(other, offer(2, "c"))])
    producer.begin_transaction()
    for each in (gone, other):
        producer.produce(sinks.prefix + topics.OFFERS, key=each.key.encode(), value=offer_record(each, 0).value)
    producer.commit_transaction(60)
    sink = sinks.start("one")
    sinks.await_rows(DECISIONS, 2)
    sinks.await_rows(OFFERS, 2)
    store = sinks.store()
    assert Contents(store).get([gone.digest()]) == {gone.digest(): gone}
    done = erase(store, gone.key, "legal", "request 17", utc_now(), 100)
    assert (done.contents, done.decisions, done.remaining) == (1, 1, 0)
    sink.send_signal(signal.SIGTERM)
    assert sink.wait(PATIENCE) == 0
    for table in ("decisions", "offers", "labels"):
        shutil.rmtree(sinks.root / table, ignore_errors=True)
    sinks.start("two")
    sinks.await_rows(DECISIONS, 2)
    sinks.await_rows(OFFERS, 2)
    again = sinks.store()
    assert Contents(again).get([gone.digest(), other.digest()]) == {other.digest(): other}
    assert all(b"zebra" not in event for event in again.events())
    assert all(row["content"] is None for row in again.stream_of(OFFERS, 0, "digest = ?", [gone.digest()]))
    assert sound(sinks) == []
