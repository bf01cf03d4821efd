"""The teacher at work on tasks: read, ask, keep, publish, commit; within a day's money.

Two subscriptions, match.review and match.labeling, each in a group of its own; the answers of a batch, its opinions
and its offsets commit in one transaction. Whatever stops it, nothing is paid for twice: replies lie in the store under
their content, and so does the day's bill. When the day's money is spent it waits for the next day (UTC); its tasks wait
too, and people see them meanwhile, as they see all tasks that nobody has answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from confluent_kafka import Producer

from schemas import topics
from schemas.drift import Opinion
from schemas.events import read_event
from schemas.label import Label
from schemas.labeling import LabelingTask
from schemas.review import ReviewTask
from schemas.sections import KafkaSettings
from schemas.settings import Settings
from train.judges.interface import Judge
from train.rationales.records import RationaleRecord
from train.teacher.answering import PUBLISHED, Asked, Rules, asked_of, label_of, opinion_of, outcome_of
from train.teacher.config import TeacherConfig
from train.teacher.ledger import Ledger
from train.teacher.run import Run, teach
from train.teacher.store import Store
from worker.labeling.reading import ANYBODY, Answers, read_answers
from worker.stream.backoff import Log, Patience
from worker.stream.batch import Buffer, next_offsets
from worker.stream.clients import consumer_config, producer_config
from worker.stream.errors import BatchAborted, ProducerReplaced, Stopping
from worker.stream.metrics import Metrics
from worker.stream.process import pause
from worker.stream.records import LookedAt, Outgoing, Record
from worker.stream.session import Session, member_of
from worker.stream.transaction import Checkpoint

GROUP = "samesku-teacher"
IDLE_POLL = 0.5
# Seconds between two looks at an endpoint that has given up, and between two at the purse.
AGAIN = 60.0
# Milliseconds. A batch is several requests a pair, each with its retries.
MAX_POLL_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class IncomingTask(LookedAt):
    """A record of either topic; `asked` is None where there is nothing to answer."""

    asked: Asked | None

    @property
    def identity(self) -> bytes | None:
        return self.record.key if self.asked is not None else None


def reader(model: type[ReviewTask] | type[LabelingTask]) -> Callable[[Record], IncomingTask]:
    """Looks at the records of one topic. Raises UnknownMajorVersion."""

    def read(record: Record) -> IncomingTask:
        task: ReviewTask | LabelingTask | None = read_event(model, record.value)
        return IncomingTask(record, None if task is None else asked_of(task))

    return read


@dataclass
class _Source:
    session: Session
    buffer: Buffer[IncomingTask] = field(default_factory=Buffer)


class Serving:
    """One teacher; `run` returns after `stop`, or, with `idle_s`, when nothing has come for so long."""

    def __init__(
        self, settings: Settings, config: TeacherConfig, per_day: Decimal, rules: Rules, judges: Sequence[Judge],
        store: Store, ledger: Ledger, log: Log, now: Callable[[], datetime] | None = None, group: str = GROUP,
        idle_s: float | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._config = config
        self._per_day = per_day
        self._rules = rules
        self._judges = judges
        self._store = store
        self._ledger = ledger
        self._log = log
        self._now = now or (lambda: datetime.now(UTC))
        self._idle_s = idle_s
        self._stopping = False
        stream = settings.stream
        metrics = Metrics()
        patience = Patience(
            self._pause, time.monotonic, metrics, log, stream.backoff_initial_s, stream.backoff_max_s
        )  # fmt: skip
        self._patience = patience
        self._kafka = settings.kafka.model_copy(
            update={"slot": f"teacher-{settings.kafka.slot}", "max_poll_interval_ms": MAX_POLL_MS}
        )
        self._checkpoint = Checkpoint(
            lambda: Producer(producer_config(self._kafka)), patience, time.monotonic, metrics, log
        )
        self._sources = [
            self._source(name, model, f"{group}-{suffix}", metrics)
            for name, model, suffix in (
                (topics.REVIEW, ReviewTask, "review"), (topics.LABELING, LabelingTask, "labeling"),
            )
        ]  # fmt: skip

    def _source(
        self, topic: str, model: type[ReviewTask] | type[LabelingTask], group: str, metrics: Metrics
    ) -> _Source:
        named: KafkaSettings = self._kafka.model_copy(update={"group_id": group})
        buffer: Buffer[IncomingTask] = Buffer()
        session = Session(
            member_of(consumer_config(named)), named.topic(topic), buffer, lambda _gone: None, lambda _gone: None,
            metrics, self._log, reader(model),
        )  # fmt: skip
        return _Source(session, buffer)

    def stop(self) -> None:
        """Finish the batch at work, then leave. Safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Answer until `stop`."""
        try:
            self._checkpoint.open()
            for source in self._sources:
                source.session.subscribe()
            self._log.info("teacher_started", model=self._config.model, per_day=str(self._per_day))
            idle_since = time.monotonic()
            while not self._stopping:
                self._checkpoint.ready()
                for source in self._sources:
                    batch = self._fill(source)
                    if batch:
                        self._serve(source, batch)
                        idle_since = time.monotonic()
                if self._idle_s is not None and time.monotonic() - idle_since > self._idle_s:
                    break
        except Stopping:
            pass
        finally:
            for source in self._sources:
                source.session.close()
            self._checkpoint.close()
            self._log.info("teacher_stopped", **self._ledger.outcomes())

    def _fill(self, source: _Source) -> list[IncomingTask]:
        limit = self._config.concurrency
        source.session.resume()
        while len(source.buffer) < limit and not self._stopping and source.session.poll(IDLE_POLL):
            pass
        return source.buffer.cut(limit)

    def _pause(self, seconds: float) -> None:
        pause(seconds, lambda: self._stopping)

    def _serve(self, source: _Source, batch: list[IncomingTask]) -> None:
        answers = read_answers(self._settings, ANYBODY, lambda *_: None)
        wanted = _open(batch, answers)
        found = self._ask(wanted)
        labels = [label for asked, said in zip(wanted, found, strict=True) if (label := self._judge(asked, said))]
        outgoing = [
            Outgoing.event(self._kafka.topic(topic), each.pair_id.encode(), each)
            for topic, events in (
                (topics.LABELS, labels), (topics.OPINIONS, self._opinions(batch, wanted, found, answers)),
            )
            for each in events
        ]  # fmt: skip
        try:
            self._checkpoint.commit(
                outgoing, next_offsets(batch), source.session.topic, source.session.group_metadata
            )  # fmt: skip
        except BatchAborted as aborted:
            self._log.warning("batch_again", detail=str(aborted))
            source.buffer.put_back(batch)
        except ProducerReplaced:
            self._patience.call(source.session.rewind)

    def _opinions(
        self, batch: Sequence[IncomingTask], wanted: Sequence[Asked], found: Sequence[Any], answers: Answers
    ) -> list[Opinion]:
        """Of every decision of the uniform sample that the teacher has a word about, now or from before."""
        said = {contents: label.verdict == "match" for contents, label in answers.items() if label.by == "teacher"}
        for asked, each in zip(wanted, found, strict=True):
            if isinstance(each, RationaleRecord) and each.answer is not None:
                said[asked.contents] = each.answer == "same"
        return [
            opinion_of(each.asked.drawn, said[each.asked.contents], self._config.model, self._now())
            for each in batch
            if each.asked is not None and each.asked.drawn is not None and each.asked.contents in said
        ]

    def _ask(self, wanted: Sequence[Asked]) -> list[Any]:
        """The records or failures of all of them; waits for money and for an endpoint that has given up."""
        questions = [asked.question() for asked in wanted]
        while questions:
            done = Run(len(questions))
            asyncio.run(teach(done, questions, self._affordable(), self._store, self._config.api_key()))
            if done.stopped is None:
                return [done.outcomes[number] for number in range(len(questions))]
            # What was answered lies in the store, and costs nothing when it is asked for again.
            self._log.warning("teacher_waits", reason=done.stopped, answered=len(done.outcomes), asked=len(questions))
            self._pause(AGAIN)
        return []

    def _affordable(self) -> TeacherConfig:
        """The settings with a budget of what was spent before today, and today's."""
        midnight = self._now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        before = self._store.spent + self._store.at_risk - self._store.spent_since(midnight)
        return self._config.model_copy(update={"budget": before + self._per_day})

    def _judge(self, asked: Asked, found: Any) -> Label | None:
        outcome, why = outcome_of(asked, found, self._rules, self._judges)
        record = found if isinstance(found, RationaleRecord) else None
        verdict = None if record is None or record.answer is None else _VERDICTS[record.answer]
        confidence = None if record is None else record.confidence
        held = self._ledger.note(asked, outcome, why, verdict, confidence, self._config.model)
        self._log.info("task_answered", pair=asked.pair_id, outcome=held, why=why)
        if held not in PUBLISHED or record is None or record.answer is None:
            return None
        return label_of(asked, record, self._config.model, self._now())


def _open(batch: Sequence[IncomingTask], answers: Answers) -> list[Asked]:
    """The contents of a batch that nobody has answered, each once."""
    asked = {each.asked.contents: each.asked for each in batch if each.asked is not None}
    return [each for contents, each in asked.items() if contents not in answers]


_VERDICTS = {"same": "match", "different": "no_match"}
