"""The sampling loop: poll a batch of decisions, draw, publish the tasks with the offsets, look after the open ones.

Tasks, offsets and the budgets (in the offsets' metadata) commit in one transaction, so that a task is made exactly once
and a budget is never spent twice. Rebalances are seen only in the loop's own poll, between two batches; an outdated
membership is refused by the broker (KIP-447), and the batch is then its new owner's. Non-goals: what is drawn
(`sampler`), and building the parts (`running`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import orjson
from confluent_kafka import KafkaException, TopicPartition

from schemas.labeling import LabelingTask
from schemas.labeling_settings import LabelingSettings
from schemas.partitioner import partition_of
from schemas.sections import KafkaSettings
from worker.labeling.budget import Budget
from worker.labeling.sampler import IncomingDecision, Index, Sampled, Sampler
from worker.labeling.tasks import Queue, looked_at_again
from worker.replay import log as topics_log
from worker.replay.errors import ReplayError
from worker.replay.span import Point
from worker.stream.backoff import Log, Patience
from worker.stream.batch import Buffer, next_offsets
from worker.stream.errors import BatchAborted, IndexNotWhole, ProducerReplaced, Stopping, Unavailable
from worker.stream.guard import redis_step
from worker.stream.metrics import LABELING_CHANCE, LABELING_OPEN, LABELING_TASKS, Metrics
from worker.stream.process import pause
from worker.stream.records import Outgoing
from worker.stream.session import ASK_TIMEOUT, Session
from worker.stream.transaction import Checkpoint, kafka_error

T = TypeVar("T")

# Seconds of one poll.
IDLE_POLL = 0.5
# Pairs looked at in one sweep transaction.
SWEEP_CHUNK = 200


class Loop:
    """One sampling process; `run` returns after `stop`. `clock` is monotonic, `now` gives UTC."""

    def __init__(
        self, settings: LabelingSettings, kafka: KafkaSettings, clock: Callable[[], float],
        now: Callable[[], datetime], metrics: Metrics, log: Log, backoff: tuple[float, float],
    ) -> None:  # fmt: skip
        self.buffer: Buffer[IncomingDecision] = Buffer()
        self.patience = Patience(self._pause, clock, metrics, log, *backoff)
        self._settings = settings
        self._kafka = kafka
        self._topic = kafka.topic("match.labeling")
        self._clock = clock
        self._now = now
        self._metrics = metrics
        self._log = log
        self._queue = Queue()
        self._budgets: dict[int, Budget] = {}
        self._swept = clock()
        self._stopping = False

    def attach(
        self, session: Session, checkpoint: Checkpoint, index: Index, adopt: Callable[[], None], sampler: Sampler,
        parts: int,
    ) -> None:  # fmt: skip
        """Give the loop its parts. `adopt()` returns once the index is there and whole, or raises Unavailable."""
        self.session = session
        self.checkpoint = checkpoint
        self._index = index
        self._adopt = adopt
        self._sampler = sampler
        self._parts = parts

    def stop(self) -> None:
        """Finish the batch at work, then leave. Safe in a signal handler."""
        self._stopping = True

    def gone(self, partitions: Collection[int]) -> None:
        """These partitions are somebody else's now: their budgets and open tasks are, too."""
        for partition in partitions:
            self._budgets.pop(partition, None)
        self._queue.keep(lambda pair: self._partition(pair) not in partitions)

    def run(self) -> None:
        """Sample until `stop`."""
        try:
            self.checkpoint.open()
            self.patience.call(self._adopt)
            self.session.subscribe()
            self._log.info("sampler_started", topic=self.session.topic)
            while not self._stopping:
                self._fill()
                self._take_over()
                batch = self.buffer.cut(min(self._ripe(), self._settings.batch_size))
                if batch:
                    self._serve(batch)
                if self._clock() - self._swept >= self._settings.sweep_s:
                    self._sweep()
        except Stopping:
            pass
        finally:
            self.session.close()
            self.checkpoint.close()
            self._log.info("sampler_stopped")

    def _pause(self, seconds: float) -> None:
        pause(seconds, lambda: self._stopping, self._clock)

    def _ripe(self) -> int:
        """How many decisions at the head of the buffer have been given the time to be commented on."""
        wait = self._settings.opinions_wait_s
        if not wait:
            return len(self.buffer)
        latest = self._now() - timedelta(seconds=wait)
        return self.buffer.leading(lambda each: each.made is None or each.made.decided_at <= latest)

    def _fill(self) -> None:
        deadline: float | None = None
        self.checkpoint.ready()
        if len(self.buffer) >= self._settings.batch_size and not self._ripe():
            # Full of what is too young: wait in a poll that fetches nothing and keeps the membership.
            self.session.pause()
            self.session.poll(IDLE_POLL)
            return
        self.session.resume()
        while len(self.buffer) < self._settings.batch_size and not self._stopping:
            wait = IDLE_POLL if deadline is None else min(IDLE_POLL, deadline - self._clock())
            if wait <= 0:
                break
            came = self.session.poll(wait)
            if came and deadline is None:
                deadline = self._clock() + self._settings.max_wait_ms / 1000
            if not came and deadline is None:
                break

    def _take_over(self) -> None:
        """Budgets and open tasks of partitions that have become ours."""
        new = self.session.owned - self._budgets.keys()
        if not new:
            return
        found = self.patience.call(lambda: self._committed(new))
        tasks = self.patience.call(lambda: list(self._tasks(new)))
        for task in tasks:
            self._queue.apply(task)
        self._budgets |= found
        self._log.info("partitions_taken_over", partitions=sorted(new), open=len(self._queue.open))

    def _committed(self, partitions: Collection[int]) -> dict[int, Budget]:
        asked = [TopicPartition(self.session.topic, number) for number in sorted(partitions)]
        try:
            found = self.session.consumer.committed(asked, timeout=ASK_TIMEOUT)
        except KafkaException as exception:
            raise Unavailable("kafka", kafka_error(exception).str()) from exception
        for entry in found:
            if entry.error is not None:
                raise Unavailable("kafka", str(entry.error))
        return {entry.partition: Budget.loads(entry.metadata or "", self._settings) for entry in found}

    def _tasks(self, partitions: Collection[int]) -> Iterable[LabelingTask]:
        """Every record of match.labeling that may still be open, of pairs in these partitions."""
        oldest = Point(at=self._now() - timedelta(days=self._settings.expires_days))
        try:
            span = topics_log.resolve(self._kafka, self._topic, oldest, Point(edge="end"))
            for record in topics_log.read(
                self._kafka, span, wanted=lambda key: partition_of(key, self._parts) in partitions
            ):
                yield LabelingTask.model_validate(orjson.loads(record.value or b""))
        except ReplayError as error:
            raise Unavailable("kafka", str(error)) from error

    def _partition(self, pair: str) -> int:
        return partition_of(pair.encode(), self._parts)

    def _serve(self, batch: Sequence[IncomingDecision]) -> None:
        sampled = self._on_index(lambda: self._sampler.sample(batch, self._budgets))
        notes = {partition: budget.dumps() for partition, budget in sampled.budgets.items()}
        try:
            if self._commit(sampled.tasks, next_offsets(batch), notes):
                self._taken(sampled)
        except BatchAborted as aborted:
            self._log.warning("batch_again", detail=str(aborted))
            self.buffer.put_back(batch)

    def _taken(self, sampled: Sampled) -> None:
        self._budgets |= sampled.budgets
        for task in sampled.tasks:
            self._queue.apply(task)
            self._metrics.add(LABELING_TASKS, event="drawn")
            if task.withdrawn is not None:
                self._metrics.add(LABELING_TASKS, event="withdrawn")
        self._metrics.set(LABELING_OPEN, len(self._queue.open))
        for partition, budget in sampled.budgets.items():
            self._metrics.set(LABELING_CHANCE, budget.uniform, share="uniform", partition=str(partition))
            self._metrics.set(LABELING_CHANCE, budget.targeted, share="targeted", partition=str(partition))
        if sampled.tasks:
            self._log.info("tasks_drawn", tasks=len(sampled.tasks), decisions=sampled.seen)

    def _sweep(self) -> None:
        """Look whether the offers of open tasks still stand, and whether somebody has answered."""
        self._swept = self._clock()
        held = list(self._queue.open.values())
        for start in range(0, len(held), SWEEP_CHUNK):
            news = self._on_index(partial(self._looked_at, held[start : start + SWEEP_CHUNK]))
            try:
                done = bool(news) and self._commit(news, {}, {})
            except BatchAborted as aborted:
                # The next sweep looks at them again.
                self._log.warning("sweep_again", detail=str(aborted))
                break
            for task in news if done else ():
                self._queue.apply(task)
                self._metrics.add(LABELING_TASKS, event="withdrawn" if task.withdrawn else "stale")
        self._metrics.set(LABELING_OPEN, len(self._queue.open))

    def _looked_at(self, tasks: Sequence[LabelingTask]) -> list[LabelingTask]:
        keys = [key for task in tasks for key in (task.first.key, task.second.key)]
        stored = dict(zip(keys, self._index.read(keys), strict=True))
        labels = self._index.labels_many([task.first.key for task in tasks])
        now = self._now()
        found = (
            looked_at_again(task, stored, said.get(task.second.key, ()), now)
            for task, said in zip(tasks, labels, strict=True)
        )
        return [task for task in found if task is not None]

    def _on_index(self, step: Callable[[], T]) -> T:
        """Do a step on the index, however long it takes until there is one."""
        while True:
            try:
                return self.patience.call(lambda: redis_step(step))
            except IndexNotWhole as lost:
                # What is not there yet must not be taken for deleted.
                self._log.warning("index_not_whole", detail=str(lost))
                self.patience.call(self._adopt)

    def _commit(self, tasks: Iterable[LabelingTask], offsets: dict[int, int], notes: dict[int, str]) -> bool:
        """Whether it is certainly visible. Raises BatchAborted: nothing of it is, so do it again."""
        outgoing = [Outgoing.event(self._topic, task.pair_id.encode(), task) for task in tasks]
        try:
            self.checkpoint.commit(outgoing, offsets, self.session.topic, self.session.group_metadata, notes)
        except ProducerReplaced:
            # The broker alone knows: back to what is committed, budgets and tasks included.
            self._budgets.clear()
            self.patience.call(self.session.rewind)
            return False
        return True
