"""The desk: membership in the group that reads `match.labels`, and one batch of labels from its cut to its settling.

Intent: a second subscription beside `catalog.changes`, in a group of its own (`GROUP-labels`), because labels lie by
pair and changes by offer: whoever owns a pair's labels need not own its offers. It shares the loop's producer, so that
a decision and its label's offset commit together, and it is served between two batches of changes. Rebalances are seen
only in its own poll, which never happens while a batch of labels is at work; an outdated membership is refused by the
broker (KIP-447), and the batch is then done again by its new owner.
Non-goal: what a label does (`labels`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from confluent_kafka import KafkaException

from schemas.events import BadEvent, Reason
from worker.stream.backoff import Log, Patience
from worker.stream.batch import BatchSize, Buffer, next_offsets
from worker.stream.errors import BatchAborted, BatchRejected, IndexNotWhole, ProducerReplaced, StreamError
from worker.stream.guard import redis_step
from worker.stream.labels import IncomingLabel, LabelIndex, LabelWork, read_label, settle, work_on
from worker.stream.metrics import LABELS, Metrics
from worker.stream.outputs import Outputs
from worker.stream.pairs import Basis
from worker.stream.session import MakeConsumer, Session
from worker.stream.tally import count_decision
from worker.stream.transaction import Checkpoint

# Labels of one transaction. An import of thousands gives way to changes after each.
BATCH = 50


class LabelSession(Session):
    """Its partitions are not those that the gauges of the changes count."""

    def _note(self, event: str, partitions: set[int]) -> None:
        if partitions:
            self._log.info(f"labels_{event}", partitions=sorted(partitions), owned=sorted(self.owned))


class Desk:
    """Reads labels and works on them.

    `basis()` gives that of the live bundle; `be_whole()` returns once the index holds everything that was committed,
    and `distrust()` says that something of it is gone.
    """

    def __init__(
        self, make_consumer: MakeConsumer, topic: str, checkpoint: Checkpoint, index: LabelIndex,
        basis: Callable[[], Basis], outputs: Outputs, now: Callable[[], datetime], metrics: Metrics,
        log: Log, poison_attempts: int, patience: Patience, be_whole: Callable[[], None],
        distrust: Callable[[], None],
    ) -> None:  # fmt: skip
        self._buffer: Buffer[IncomingLabel] = Buffer()
        # A registry of its own: the catalogue's gauges of partitions speak of changes.
        self._session = LabelSession(
            make_consumer, topic, self._buffer, lambda _gone: None, lambda _gone: None, Metrics(), log, read_label
        )
        self._checkpoint = checkpoint
        self._index = index
        self._basis = basis
        self._outputs = outputs
        self._now = now
        self._metrics = metrics
        self._log = log
        self._patience = patience
        self._be_whole = be_whole
        self._distrust = distrust
        self._size = BatchSize(BATCH, poison_attempts)
        self._why = ""

    def open(self) -> None:
        self._session.subscribe()

    def close(self) -> None:
        self._session.close()

    def waiting(self) -> bool:
        """Poll without waiting; whether labels are there."""
        while len(self._buffer) < BATCH and self._session.poll(0):
            pass
        return len(self._buffer) > 0

    def serve(self) -> None:
        """One batch, if there is one; it is committed afterwards, or waits in the buffer again."""
        batch = self._buffer.cut(self._size.limit)
        if not batch:
            return
        try:
            self._patience.call(self._be_whole)
            work = self._patience.call(lambda: redis_step(lambda: self._work(batch)))
            session = self._session
            self._checkpoint.commit(work.outgoing, next_offsets(batch), session.topic, session.group_metadata)
        except ProducerReplaced:
            self._patience.call(self._session.rewind)
        except (BatchAborted, IndexNotWhole) as reason:
            if isinstance(reason, IndexNotWhole):
                self._distrust()
            self._log.warning("labels_again", reason=type(reason).__name__, detail=str(reason), labels=len(batch))
            self._buffer.put_back(batch)
        except BatchRejected as rejected:
            self._failed(batch, rejected)
        except (StreamError, KafkaException):
            raise
        except Exception as failure:  # noqa: BLE001 - a defect of ours must not stop the stream of changes
            self._failed(batch, failure)
        else:
            self._size.succeeded()
            self._count(work)
            self._settle(work)

    def _work(self, batch: list[IncomingLabel]) -> LabelWork:
        if self._size.poison and len(batch) == 1:
            batch = [IncomingLabel(batch[0].record, refusal=BadEvent(Reason.POISON, self._why))]
        return work_on(batch, self._index, self._basis(), self._outputs, self._now)

    def _failed(self, batch: list[IncomingLabel], failure: Exception) -> None:
        self._why = f"{type(failure).__name__}: {failure}"
        self._log.error(
            "labels_failed", labels=len(batch), first=str(batch[0].record), error=self._why,
            exc_info=(type(failure), failure, failure.__traceback__),
        )  # fmt: skip
        self._size.failed(len(batch))
        self._buffer.put_back(batch)

    def _settle(self, work: LabelWork) -> None:
        try:
            redis_step(lambda: settle(work, self._index))
        except StreamError as gone:
            # Pending links only mean that the pairs are looked at again, and the index holds the labels.
            self._log.warning("links_left_pending", detail=str(gone))

    def _count(self, work: LabelWork) -> None:
        for done in work.done:
            by = done.label.by if done.label is not None else "unknown"
            self._metrics.add(LABELS, outcome=done.outcome, by=by)
            if done.decision is not None:
                count_decision(done.decision, self._metrics)
            say = self._log.info if done.outcome == "bound" else self._log.warning
            say(
                f"label_{done.outcome}", position=str(done.record), reason=done.reason,
                label=done.label.label_id if done.label is not None else None,
                pair=done.label.pair_id if done.label is not None else None,
            )  # fmt: skip
