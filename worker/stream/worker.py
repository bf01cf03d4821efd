"""The loop: poll a batch, make sure the index is whole, work on it, commit it, and mind what happens meanwhile.

What ends a batch, and what follows:

* it is committed: its links are settled and the next one is cut;
* Kafka or Redis is gone: wait, membership kept, and do it again (`Patience`); nothing was published, nothing is lost;
* the index is gone or behind: restore it, then do the batch again;
* aborted, or partitions revoked: what is still ours goes back to the head of the buffer;
* it failed for a reason of its own: halved, down to one change, which is dead-lettered with reason `poison`;
* the producer had to be replaced: back to the committed offsets.

Between two batches labels are worked on (`desk`), by the same producer and with the same patience.

Revocation: between two steps of a batch it is finished and committed within `stream.revoke_deadline_s`, else abandoned;
in the middle of a wait it is abandoned, unless the commit was already asked for. Lost partitions: abandoned at once.
SIGTERM or SIGINT (`stop`): the same with `stream.shutdown_deadline_s`. Non-goal: building the parts (`startup`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeVar

from confluent_kafka import KafkaException

from schemas.events import BadEvent, Reason
from schemas.sections import StreamSettings
from worker.stream.backoff import Log, Patience
from worker.stream.batch import BatchSize, Buffer, next_offsets
from worker.stream.bench import Turns
from worker.stream.deadletters import DeadLetterLimit
from worker.stream.desk import Desk
from worker.stream.errors import (
    BatchAborted,
    BatchRejected,
    IndexNotWhole,
    ProducerReplaced,
    RevokedMidBatch,
    Stopping,
    StreamError,
    Unavailable,
)
from worker.stream.guard import redis_step
from worker.stream.judging import Judging
from worker.stream.metrics import BATCH_FAILURES, BATCH_SECONDS, K_EFFECTIVE, LAG, TRANSACTIONS, WAITING, Metrics
from worker.stream.outputs import Outputs
from worker.stream.restore import Gap, Restorer, Wholeness
from worker.stream.session import Session
from worker.stream.tally import count
from worker.stream.transaction import Checkpoint
from worker.stream.validate import Incoming
from worker.stream.work import Candidates, Work

T = TypeVar("T")

# Seconds between two looks at the consumer while a batch is judged: a rebalance of the group waits no longer for us.
TICK = 1.0
# Seconds that one poll may block: how late a signal is noticed when nothing comes in.
IDLE_POLL = 0.5
# Seconds between two looks at whether the index is whole while nothing comes in.
WHOLE_EVERY = 2.0
# Seconds of one wait inside a rebalance callback.
CALLBACK_WAIT = 0.1
DONE: Final = object()


class Worker:
    """One worker process. `run` returns after `stop`; it raises what cannot be waited out."""

    def __init__(
        self, settings: StreamSettings, k: int, clock: Callable[[], float], now: Callable[[], datetime],
        metrics: Metrics, log: Log, outputs: Outputs, progress: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._progress = progress
        self.settings = settings
        self.buffer: Buffer[Incoming] = Buffer()
        self.patience = Patience(
            self.pause_for, clock, metrics, log, settings.backoff_initial_s, settings.backoff_max_s
        )
        self._k = k
        self._clock = clock
        self._now = now
        self._metrics = metrics
        self._log = log
        self._outputs = outputs
        self._size = BatchSize(settings.batch_size, settings.poison_attempts)
        self._letters = DeadLetterLimit(settings, clock)
        self._batch: Sequence[Incoming] = []
        self._work: Work | None = None
        self._steps: Iterator[None] | None = None
        """Set while a batch stands between two of its steps, or in one; the callbacks of poll see the former only."""
        self._abandoned = False
        self._gone: set[int] = set()
        self._why_poison = ""
        self._ticked = 0.0
        self._whole_at = float("-inf")
        self._callback_until: float | None = None
        self._stop_at: float | None = None

    def attach(
        self, session: Session, checkpoint: Checkpoint, judging: Judging, wholeness: Wholeness, restorer: Restorer,
        turns: Turns | None = None, desk: Desk | None = None,
    ) -> None:  # fmt: skip
        """Give the worker its parts; they need its patience and callbacks, so they are made after it."""
        self.session = session
        self.checkpoint = checkpoint
        self.judging = judging
        self.wholeness = wholeness
        self.restorer = restorer
        self._turns = turns
        self._desk = desk

    def stop(self) -> None:
        """Finish or abandon the batch at work, then leave. Safe in a signal handler."""
        if self._stop_at is None:
            self._stop_at = self._clock() + self.settings.shutdown_deadline_s

    @property
    def stopping(self) -> bool:
        return self._stop_at is not None

    def run(self) -> None:
        """Serve until `stop`."""
        try:
            # First of all: a dead predecessor's transaction would hold back the committed offsets and every reader.
            self.checkpoint.open()
            self.session.subscribe()
            if self._desk is not None:
                self._desk.open()
            self._log.info("worker_started", topic=self.session.topic)
            while not self.stopping:
                self._fill()
                if self._labels_wait() and self._desk is not None:
                    self._desk.serve()
                if len(self.buffer):
                    self._serve()
        except Stopping:
            pass
        finally:
            self.session.close()
            if self._desk is not None:
                self._desk.close()
            self.checkpoint.close()
            if self._turns is not None:
                self._turns.close()
            self._log.info("worker_stopped")

    # Polling

    def _fill(self) -> None:
        """Poll until a batch is full, or `max_wait_ms` after its first record; some may be left from the last cut."""
        longest = self.settings.max_wait_ms / 1000
        deadline = self._clock() + longest if len(self.buffer) else None
        # A transaction that was abandoned holds back readers until its slot has a new producer.
        self.checkpoint.ready()
        self._take_turns()
        while len(self.buffer) < self._size.limit and not self.stopping:
            self._progress()
            # Also when nothing comes in: another worker may wait for the partitions that we have to restore.
            if self.session.owned and self._clock() - self._whole_at >= WHOLE_EVERY:
                self.patience.call(self.be_whole)
            self.session.resume()
            wait = IDLE_POLL if deadline is None else min(IDLE_POLL, deadline - self._clock())
            if wait <= 0:
                break
            came = self.session.poll(wait)
            if came and deadline is None:
                deadline = self._clock() + longest
            # Records that were fetched before come all the same; without any, ask whether somebody is there.
            if not came and self.session.suspicious:
                self.patience.call(self.session.probe)
            self._take_turns()
            if self._labels_wait():
                break

    def _labels_wait(self) -> bool:
        return self._desk is not None and self._desk.waiting()

    def _take_turns(self) -> None:
        """No batch is at work here, so that one deployment judges the whole of each."""
        seats = self._turns.turn() if self._turns is not None else None
        if seats is not None:
            self.judging.seats = seats

    def pause_for(self, seconds: float) -> None:
        """Wait, polled but paused. Raises Stopping, and RevokedMidBatch when the batch at work is no longer ours."""
        end = self._clock() + seconds
        while True:
            self._progress()
            self._check_ended()
            left = end - self._clock()
            if left <= 0:
                return
            if self._callback_until is not None:
                # Inside a rebalance callback the client must not be polled; the whole revocation has one deadline.
                if self._clock() >= self._callback_until:
                    raise RevokedMidBatch("the deadline of the revocation passed")
                time.sleep(min(left, CALLBACK_WAIT))
                continue
            self.session.pause()
            self.session.poll(min(left, IDLE_POLL))

    def _check_ended(self) -> None:
        if self._stop_at is not None and self._clock() >= self._stop_at:
            raise Stopping
        # Once the commit was asked for, only the broker knows its outcome: see it through.
        if not self.checkpoint.committing:
            if self.stopping:
                raise Stopping
            if self._abandoned:
                raise RevokedMidBatch("partitions were revoked or lost")

    def alive(self) -> None:
        """Called every moment by long steps outside a batch's work: keeps the membership, ends at a signal."""
        self._progress()
        if self._clock() - self._ticked >= TICK:
            self._ticked = self._clock()
            self.pause_for(0.01)

    # Rebalances (called back from within poll, while the partitions are still assigned)

    def revoked(self, partitions: Collection[int]) -> None:
        """Finish and commit the batch within the deadline if nothing of it is under way; else abandon it."""
        if not self._touches(partitions) or self.checkpoint.committing:
            return
        if self._steps is None or self._work is None:
            self._abandoned = True
            return
        self._callback_until = self._clock() + self.settings.revoke_deadline_s
        try:
            while redis_step(lambda: next(self._steps, DONE)) is not DONE:  # type: ignore[arg-type]
                if self._clock() >= self._callback_until:
                    raise RevokedMidBatch("the deadline of the revocation passed")
            self._commit(self._work)
        except Unavailable as gone:
            raise RevokedMidBatch(str(gone)) from gone
        finally:
            self._callback_until = None

    def lost(self, partitions: Collection[int]) -> None:
        """Somebody else owns these already: nothing of the batch may be published."""
        if self._touches(partitions) and not self.checkpoint.committing:
            self._abandoned = True

    def _touches(self, partitions: Collection[int]) -> bool:
        gone = set(partitions) & {incoming.partition for incoming in self._batch}
        self._gone |= gone
        return bool(gone) and not (self._work is not None and self._work.committed)

    # One batch

    def _serve(self) -> None:
        batch = self._batch = self.buffer.cut(self._size.limit)
        try:
            self.patience.call(self.be_whole)
            work = self.patience.call(lambda: self._judge(batch))
            started = self._clock()
            self._commit(work)
            self._metrics.observe(BATCH_SECONDS, self._clock() - started, phase="publish")
            self._settle(work)
            self._size.succeeded()
        except (RevokedMidBatch, BatchAborted, IndexNotWhole) as reason:
            if not isinstance(reason, BatchAborted):
                self._metrics.add(TRANSACTIONS, result="abandoned")
            if isinstance(reason, IndexNotWhole):
                self.wholeness.distrust()
            self._log.warning("batch_again", reason=type(reason).__name__, detail=str(reason), changes=len(batch))
            self._put_back(batch)
            # A rebalance is often the reason: let it happen before the work is done again.
            self.session.poll(0)
        except ProducerReplaced:
            self._batch = []
            self.patience.call(self.session.rewind)
        except BatchRejected as rejected:
            self._failed(batch, rejected)
        except (StreamError, KafkaException):
            raise
        except Exception as failure:  # noqa: BLE001 - a defect of ours or of the student must not stop the stream
            self._failed(batch, failure)
        finally:
            self._batch, self._work, self._steps = [], None, None
            self._abandoned, self._gone = False, set()

    def be_whole(self) -> None:
        """Return once the index holds everything that was committed. Raises Unavailable while it does not."""
        try:
            redis_step(self.wholeness.check)
        except IndexNotWhole as reason:
            gaps = self._gaps()
            if gaps:
                say = self._log.warning if any(gap.committed for gap in gaps.values()) else self._log.info
                say("index_not_whole", detail=str(reason), behind=sorted(gaps))
                self._metrics.set(WAITING, 1, system="index")
                self._restore({partition: gaps[partition] for partition in gaps.keys() & self.session.owned})
                gaps = self._gaps()
            if gaps:
                raise Unavailable("index", f"partitions {sorted(gaps)} are not restored yet") from reason
            self._metrics.set(WAITING, 0, system="index")
        self._whole_at = self._clock()

    def _gaps(self) -> dict[int, Gap]:
        try:
            return redis_step(self.wholeness.missing)
        except IndexNotWhole as lost:
            raise Unavailable("index", str(lost)) from lost

    def _restore(self, gaps: dict[int, Gap]) -> None:
        try:
            redis_step(lambda: self.restorer.restore(gaps))
        except IndexNotWhole as lost:
            raise Unavailable("index", str(lost)) from lost

    def _judge(self, batch: Sequence[Incoming]) -> Work:
        """Index and judge a batch from its beginning. Raises Unavailable; then it is simply called again."""
        work = self._work = self._new_work(batch)
        steps = self._steps = work.steps()
        started = self._clock()
        phase = "index"
        while redis_step(lambda: next(steps, DONE)) is not DONE:
            if phase == "index":
                self._metrics.observe(BATCH_SECONDS, self._clock() - started, phase=phase)
                phase, started = "judge", self._clock()
            if work.committed:
                break
            self._tick()
        self._steps = None
        self._metrics.observe(BATCH_SECONDS, self._clock() - started, phase="judge")
        return work

    def _tick(self) -> None:
        """Between two steps: see rebalances and signals. One record may come in; it waits in the buffer."""
        self._progress()
        if self._stop_at is not None and self._clock() >= self._stop_at:
            raise Stopping
        if self._clock() - self._ticked >= TICK:
            self._ticked = self._clock()
            self.session.poll(0)
        if self._abandoned:
            raise RevokedMidBatch("partitions were lost")

    def _new_work(self, batch: Sequence[Incoming]) -> Work:
        poison: str | None = None
        if self._size.poison and len(batch) == 1:
            poison = self._why_poison
            if self._size.given_up:
                # Not even taking it out of the index works: leave the index alone and set the record aside.
                batch = [Incoming(batch[0].record, refusal=BadEvent(Reason.POISON, poison))]
        return Work(
            batch, self.judging, self._outputs, self._candidates(batch), self._now,
            isolate=self._size.alone, poison=poison,
        )  # fmt: skip

    def _candidates(self, batch: Sequence[Incoming]) -> Candidates:
        lag = self.session.lag(next_offsets(batch))
        candidates = Candidates(self._k, self.settings.k_under_lag(self._k, lag), lag)
        self._metrics.set(LAG, lag)
        self._metrics.set(K_EFFECTIVE, candidates.effective)
        return candidates

    def _commit(self, work: Work) -> None:
        if work.committed:
            return
        letters = sum(result.answer.outcome == "dead_lettered" for result in work.results)
        self._letters.admit(len(work.results), letters)
        outgoing = [record for result in work.results for record in result.outgoing]
        self.checkpoint.commit(outgoing, next_offsets(work.batch), self.session.topic, self.session.group_metadata)
        work.committed = True
        count(work.results, self._metrics, self._log)

    def _settle(self, work: Work) -> None:
        started = self._clock()
        try:
            redis_step(work.settle)
        except (Unavailable, IndexNotWhole) as gone:
            # The links stay pending, which only means that these pairs are judged again when one of them changes.
            self._log.warning("links_left_pending", detail=str(gone))
        self._metrics.observe(BATCH_SECONDS, self._clock() - started, phase="settle")

    def _failed(self, batch: Sequence[Incoming], failure: Exception) -> None:
        self._metrics.add(BATCH_FAILURES)
        self._why_poison = f"{type(failure).__name__}: {failure}"
        self._log.error(
            "batch_failed", changes=len(batch), first=str(batch[0].record), error=self._why_poison,
            exc_info=(type(failure), failure, failure.__traceback__),
        )  # fmt: skip
        self._size.failed(len(batch))
        self._put_back(batch)

    def _put_back(self, batch: Sequence[Incoming]) -> None:
        """What is still ours is the next batch again; partitions that went away, even if they came back, start from
        their committed offset."""
        self.buffer.put_back([incoming for incoming in batch if incoming.partition not in self._gone])
