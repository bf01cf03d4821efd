"""One test's own corner of a real broker and a real Redis: its topics, its group, its workers, and readers of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import redis
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from samesku.topics import TopicAdmin
from schemas import topics
from schemas.answer import Answer
from schemas.change import CatalogChange
from schemas.decision import MatchDecision
from schemas.events import dumps
from schemas.offer import Offer
from schemas.settings import Settings
from worker.stream.records import Record
from worker.stream.session import as_record

# Seconds: the longest that any awaited condition may take; not what it should take.
PATIENCE = 150.0
SESSION_MS = 6_000


@dataclass
class Cluster:
    """Topics under a prefix of their own, and the settings with which workers and readers find them."""

    bootstrap: str
    redis_url: str
    bundle: Path
    partitions: int = 2
    stream: dict[str, Any] = field(default_factory=dict)
    blocking: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    metrics_port: int = 0
    prefix: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:8]}.")
    workers: list[WorkerProcess] = field(default_factory=list)
    _readers: dict[str, Reader] = field(default_factory=dict)

    def settings(self, slot: str = "0") -> Settings:
        """The settings of one worker slot."""
        return Settings.model_validate(
            {
                "kafka": {
                    "bootstrap_servers": self.bootstrap,
                    "topic_prefix": self.prefix,
                    "group_id": f"{self.prefix}workers",
                    "transactional_id_prefix": f"{self.prefix}worker",
                    "slot": slot,
                    "partitions": self.partitions,
                    "session_timeout_ms": SESSION_MS,
                    "transaction_timeout_ms": 10_000,
                },
                "redis": {"url": self.redis_url, "namespace": self.prefix.rstrip(".")},
                "student": {"bundle": str(self.bundle), "threads": 1},
                "blocking": {"k": 5, **self.blocking},
                "stream": {"batch_size": 8, "max_wait_ms": 50, **self.stream},
                "policy": self.policy,
                "log": {"json_lines": True},
                "metrics": {"port": self.metrics_port},
            }
        )

    def make_topics(self) -> None:
        kafka = self.settings().kafka
        TopicAdmin(kafka.client_config()).apply(kafka.topic_specs())

    # Input

    def produce(
        self, records: Iterable[tuple[bytes | None, bytes | None]], partition: int | None = None,
        topic: str = topics.CHANGES,
    ) -> int:  # fmt: skip
        """Send raw records to catalog.changes, as a client of the sellers would; returns how many."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "partitioner": topics.PARTITIONER,
                "enable.idempotence": True,
                # What a topic takes, which is more than a default client sends.
                "message.max.bytes": 2 * topics.INPUT_MAX_BYTES,
            }
        )
        where: dict[str, Any] = {} if partition is None else {"partition": partition}
        count = 0
        for key, value in records:
            producer.produce(self.topic(topic), key=key, value=value, **where)
            count += 1
        assert producer.flush(30) == 0
        return count

    def upsert(self, *offers: Offer, **fields: Any) -> int:
        """Send upserts of offers."""
        return self.produce(change_record(offer, **fields) for offer in offers)

    def topic(self, name: str) -> str:
        return topics.topic_name(name, self.prefix)

    # Workers

    def worker(self, slot: str = "0") -> WorkerProcess:
        """Start a worker process (`samesku worker`)."""
        worker = WorkerProcess(self.settings(slot), slot)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    # Output, as a read_committed consumer sees it

    def read(self, name: str) -> list[Record]:
        """All committed records of a topic, up to its end of now. What was read before is not fetched again."""
        if name not in self._readers:
            self._readers[name] = Reader(self.bootstrap, self.topic(name))
        return self._readers[name].read()

    def answers(self) -> list[Answer]:
        return [Answer.model_validate(orjson.loads(record.value or b"")) for record in self.read(topics.ANSWERS)]

    def decisions(self) -> list[MatchDecision]:
        return [
            MatchDecision.model_validate(orjson.loads(record.value or b"")) for record in self.read(topics.DECISIONS)
        ]

    def await_answers(self, count: int) -> list[Answer]:
        """Wait until at least `count` answers can be read; fails with the workers' logs."""
        found: list[Answer] = []

        def enough() -> bool:
            nonlocal found
            found = self.answers()
            return len(found) >= count

        self.wait(enough, lambda: f"{len(found)} of {count} answers")
        return found

    def wait(self, condition: Callable[[], bool], what: Callable[[], str] | str, seconds: float = PATIENCE) -> None:
        """Wait for a condition; fails with what is missing and the workers' logs."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- worker {worker.slot}\n{worker.tail()}" for worker in self.workers)
                raise AssertionError(f"waited {seconds:.0f} s for: {what() if callable(what) else what}\n{logs}")
            time.sleep(0.2)

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url)


class Reader:
    """A `read_committed` reader of one topic, without a group."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{topic}-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        count = len(self._consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        self._places = [TopicPartition(topic, number, 0) for number in range(count)]
        self._consumer.assign(self._places)
        self._reached = dict.fromkeys(range(count), 0)
        self._records: list[Record] = []

    def read(self) -> list[Record]:
        """Everything up to the last stable offset of now."""
        # A broker that has just come back needs a moment until it leads its partitions again.
        again = Retrying(
            retry=retry_if_exception_type(KafkaException), wait=wait_fixed(0.2), stop=stop_after_delay(60), reraise=True
        )
        ends = {place.partition: again(self._end, place) for place in self._places}
        while any(self._reached[number] < end for number, end in ends.items()):
            message = self._consumer.poll(1.0)
            if message is None:
                continue
            error, number, offset = message.error(), message.partition() or 0, message.offset() or 0
            if error is None:
                self._records.append(as_record(message))
                self._reached[number] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._reached[number] = max(self._reached[number], offset)
            elif not error.retriable():
                raise AssertionError(error.str())
        return list(self._records)

    def _end(self, place: TopicPartition) -> int:
        return self._consumer.get_watermark_offsets(place, timeout=30)[1]

    def close(self) -> None:
        self._consumer.close()


class WorkerProcess:
    """`samesku worker` in a process of its own, with its log in a file (a pipe that nobody reads would stop it)."""

    def __init__(self, settings: Settings, slot: str) -> None:
        self.slot = slot
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("samesku"), "worker"],
            env={**os.environ, **environment_of(settings)}, stdout=subprocess.DEVNULL, stderr=self._log,
        )  # fmt: skip

    def lines(self) -> list[str]:
        """Everything that it has said so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace").splitlines()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Its log entries of one name."""
        entries = [orjson.loads(line) for line in self.lines() if line.startswith("{")]
        return [entry for entry in entries if entry.get("event") == name]

    def tail(self) -> str:
        return "\n".join([*self.lines()[-60:], f"exit code {self.process.poll()}"])

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> int:
        """SIGKILL (kill -9)."""
        if self.process.poll() is None:
            self.process.kill()
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.kill()
        self._log.close()


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, as an operator would give them."""
    found: dict[str, str] = {}
    for section, values in settings.model_dump(exclude_defaults=True).items():
        for key, value in values.items():
            plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
            text = plain if isinstance(plain, str) else orjson.dumps(plain).decode()
            found[f"SAMESKU_{section}__{key}".upper()] = text
    return found


def change_record(offer: Offer, **fields: Any) -> tuple[bytes, bytes]:
    """Key and value of an upsert."""
    change = CatalogChange.model_validate(
        {"op": "upsert", "source": offer.source, "offer_id": offer.offer_id, "offer": offer, **fields}
    )
    return change.key.encode(), dumps(change)


def delete_record(offer: Offer, **fields: Any) -> tuple[bytes, bytes]:
    """Key and value of a delete."""
    change = CatalogChange.model_validate(
        {"op": "delete", "source": offer.source, "offer_id": offer.offer_id, **fields}
    )
    return change.key.encode(), dumps(change)


def by_position(answers: Iterable[Answer]) -> dict[tuple[int, int], list[Answer]]:
    """Answers by the change that they answer."""
    found: dict[tuple[int, int], list[Answer]] = {}
    for answer in answers:
        found.setdefault((answer.source.partition, answer.source.offset), []).append(answer)
    return found
