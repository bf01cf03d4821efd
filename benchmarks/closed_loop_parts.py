"""The real parts of the closed loop: a broker and a Redis that keep their data, a worker, a monitor, a sampler, the
commands as an operator gives them, and a person who answers tasks with the truth.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import orjson

from benchmarks.closed_loop_stream import Truth
from samesku.embedded import embedded_services
from samesku.embedded.supervise import ServerFolder, ServerProcess
from samesku.load.send import ChangeProducer
from samesku.matches.log import bounds, read_messages
from samesku.topics import TopicAdmin
from schemas import topics
from schemas.answer import Answer
from schemas.change import CatalogChange
from schemas.drift import DriftEvent
from schemas.events import Event, dumps
from schemas.label import Label
from schemas.labeling import LabelingTask
from schemas.offer import Offer
from schemas.settings import Settings
from worker.labeling.reading import contents_of

REVIEWER = "truth"
"""Who labels: nobody, but the set's own clusters."""
POLL_SECONDS = 1.0
# A worker that loads half a gigabyte beside a training run, or a batch that waits for its turn on the core.
SILENCE_SECONDS = 600.0
STOP_SECONDS = 60.0

Say = Callable[[str], None]
E = TypeVar("E", bound=Event)


class LoopFailed(Exception):
    """A part of the loop ended or fell silent; the text says which, with the end of its log."""


def settings_of(bundle: str, uniform_rate: float) -> dict[str, dict[str, Any]]:
    """Settings of every part, beside where the broker and the Redis are.

    Small batches and short windows, because the stream is short: what is committed together falls into one window.
    """
    return {
        "kafka": {"partitions": 2},
        "student": {"bundle": bundle, "threads": os.cpu_count() or 1},
        "blocking": {"k": 4, "exclude_same_source": True},
        "stream": {"batch_size": 4, "max_wait_ms": 200},
        "policy": {"explain": "never"},
        "monitor": {"window_s": 1, "grace_s": 1.0, "unit": 15, "reference_units": 15, "trial_units": 15},
        "labeling": {
            "uniform_rate": uniform_rate, "min_uniform_rate": uniform_rate, "budget_per_day": 100_000,
            "double_share": 0.0, "sweep_s": 2.0, "max_wait_ms": 200,
        },
        "replay": {"share": 1.0},
    }  # fmt: skip


def environment_of(values: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The same as environment variables."""
    return {
        f"SAMESKU_{section}__{key}".upper(): value if isinstance(value, str) else orjson.dumps(value).decode()
        for section, pairs in values.items()
        for key, value in pairs.items()
    }


class Parts:
    """A broker, a Redis, and whatever is started beside them."""

    def __init__(self, folder: Path, values: dict[str, dict[str, Any]], bootstrap: str, redis_url: str) -> None:
        self._folder = folder
        values = {**values, "kafka": {**values["kafka"], "bootstrap_servers": bootstrap}, "redis": {"url": redis_url}}
        self.settings = Settings.model_validate(values)
        self._environment = environment_of(values)
        self._running: dict[str, ServerProcess] = {}
        self._logs = ServerFolder(folder / "logs", "")
        TopicAdmin(self.settings.kafka.client_config()).apply(self.settings.kafka.topic_specs())

    # Processes

    def start(self, name: str, *arguments: str, **changed: str) -> None:
        """Start `samesku ARGUMENTS` under a name, if nothing runs under it; it ends with this process."""
        if name in self._running:
            return
        before = dict(os.environ)
        os.environ.update({**self._environment, **changed})
        try:
            command = [sys.executable, "-m", "samesku.cli", *arguments]
            self._running[name] = ServerProcess(name, command, self._logs)
        finally:
            os.environ.clear()
            os.environ.update(before)

    def stop(self, name: str) -> None:
        """Stop one of them, if it runs."""
        if (process := self._running.pop(name, None)) is not None:
            process.stop(STOP_SECONDS)

    def close(self) -> None:
        """Stop all of them."""
        for name in list(self._running):
            self.stop(name)

    def samesku(self, *arguments: object, codes: Collection[int] = (0,), log: str | None = None) -> tuple[int, str]:
        """Give a command and wait; returns exit code and what it said. With a log it is written there as it comes.

        Raises LoopFailed for another exit code.
        """
        command = [sys.executable, "-m", "samesku.cli", *map(str, arguments)]
        path = self._logs.path / f"{log or arguments[0]}.log"
        with path.open("ab") as file:
            began = file.tell()
            code = subprocess.run(
                command, env={**os.environ, **self._environment}, stdout=file, stderr=file, check=False
            ).returncode
        said = path.read_bytes()[began:].decode("utf-8", "replace")
        if code not in codes:
            raise LoopFailed(f"`samesku {' '.join(map(str, arguments))}` ended with code {code}:\n{said[-3000:]}")
        return code, said

    # Topics

    def records(self, topic: str) -> Iterator[tuple[int, bytes]]:
        """(timestamp in ms, value) of every committed record of a topic with a value, up to now."""
        for record in read_messages(self.settings.kafka, bounds(self.settings.kafka, topic)):
            if record.value:
                yield record.timestamp_ms or 0, record.value

    def read(self, topic: str, model: type[E]) -> list[E]:
        """The events of a topic, up to now."""
        return [model.model_validate_json(value) for _, value in self.records(topic)]

    def send(self, offers: Iterable[Offer], index_only: bool = False) -> int:
        """Upserts, in order; returns how many, all of them acknowledged."""
        kafka = self.settings.kafka
        producer, count = ChangeProducer(kafka, kafka.topic(topics.CHANGES)), 0
        for offer in offers:
            change = CatalogChange(
                op="upsert", source=offer.source, offer_id=offer.offer_id, offer=offer, index_only=index_only
            )
            producer.send(change.key.encode(), dumps(change))
            count += 1
        producer.flush()
        return count

    def alarms(self) -> list[DriftEvent]:
        """Alarms so far, each once, in the order of their windows."""
        events = {each.event_id: each for each in self.read(topics.DRIFT, DriftEvent) if each.kind == "alarm"}
        return sorted(events.values(), key=lambda each: (each.window_end, each.stream))

    def references(self) -> set[str]:
        """Streams whose reference is complete."""
        return {each.stream for each in self.read(topics.DRIFT, DriftEvent) if each.kind == "reference"}

    def await_answers(self, changes: int, told: Say) -> None:
        """Return when so many changes are answered. Raises LoopFailed after a long silence."""
        seen, last = -1, time.monotonic()
        while True:
            found = len({(each.source.partition, each.source.offset) for each in self.read(topics.ANSWERS, Answer)})
            if found != seen:
                seen, last = found, time.monotonic()
                told(f"{found} of {changes} changes are answered")
            if found >= changes:
                return
            self.check(f"{found} of {changes} changes are answered", last)
            time.sleep(POLL_SECONDS)

    def await_that(self, condition: Callable[[], bool], what: str, seconds: float = SILENCE_SECONDS) -> bool:
        """Return whether it came true within that time. Raises LoopFailed when a part has ended."""
        last = time.monotonic()
        while not condition():
            if time.monotonic() - last > seconds:
                return False
            self.check(what, time.monotonic())
            time.sleep(POLL_SECONDS)
        return True

    def check(self, what: str, last: float) -> None:
        """Raises LoopFailed when a part has ended, or when nothing has come for long."""
        for name, process in self._running.items():
            if not process.is_alive():
                raise LoopFailed(f"{name} has ended; its log ends:\n{process.tail()}")
        if time.monotonic() - last > SILENCE_SECONDS:
            logs = "\n".join(f"--- {name}\n{process.tail()}" for name, process in self._running.items())
            raise LoopFailed(f"nothing has come for {SILENCE_SECONDS:.0f} s: {what}\n{logs}")


@contextmanager
def running_parts(folder: Path, values: dict[str, dict[str, Any]]) -> Iterator[Parts]:
    """A broker and a Redis in the folder, which keep what they have from one call to the next, until the block ends.

    Never configured ones: a benchmark is about known parts.
    """
    with embedded_services(Settings(), folder / "services") as services:
        parts = Parts(folder, values, services.bootstrap_servers, services.redis_url)
        try:
            yield parts
        finally:
            parts.close()


class Answerer:
    """Answers every open task once, with the truth, as a person's label."""

    def __init__(self, parts: Parts, truth: Truth) -> None:
        self._parts, self._truth = parts, truth
        self._answered = {(each.pair_id, *each.digests) for each in parts.read(topics.LABELS, Label)}

    def step(self) -> int:
        """Answer what is open now; returns how many labels were given."""
        kafka = self._parts.settings.kafka
        producer, count = ChangeProducer(kafka, kafka.topic(topics.LABELS)), 0
        for task in self._open():
            label = self.label_of(task, datetime.now(UTC))
            producer.send(label.pair_id.encode(), dumps(label))
            self._answered.add(contents_of(task))
            count += 1
        producer.flush()
        return count

    def _open(self) -> Sequence[LabelingTask]:
        last: dict[str, LabelingTask] = {}
        for task in self._parts.read(topics.LABELING, LabelingTask):
            last[task.task_id] = task
        return [task for task in last.values() if task.open and contents_of(task) not in self._answered]

    def label_of(self, task: LabelingTask, at: datetime) -> Label:
        """The truth about a task's pair."""
        return Label(
            label_id=f"{REVIEWER}-{task.task_id}", pair_id=task.pair_id, first_digest=task.first.digest,
            second_digest=task.second.digest, verdict="match" if self._truth.is_match(task.pair_id) else "no_match",
            decision_id=task.decision_id, seen_verdict=task.verdict, reviewer=REVIEWER, labeled_at=at,
        )  # fmt: skip
