"""The checkpoint: the only owner of the transaction in which a batch's records and offsets commit together.

Intent: `Checkpoint.commit` either makes everything of a batch visible, offsets included, or nothing; its exceptions
say what the loop must do next. The transaction begins when all is judged, so that it lasts milliseconds (decision 1).

How the client's errors are read (librdkafka's transactional contract):

* retriable: the same call again, for as long as it takes (`Patience`), with the consumer kept alive;
* `txn_requires_abort`: abort, then `BatchAborted` (do the batch again) or, where the broker refuses these very
  records, `BatchRejected` (halve it). The abort is done by a new producer's `init_transactions`: after an outage
  librdkafka 2.16 may abort in itself alone, when the broker never heard of the transaction, and is left with sequence
  numbers that skip; its next transaction then hangs in `send_offsets_to_transaction`, beyond every time-out;
* a call that never comes back (`bounded`), fatal or fenced, and anything that is none of the above: a new producer,
  whose `init_transactions` settles what the old one left in doubt, then `ProducerReplaced` (go back to the committed
  offsets). Being fenced again and again means that a twin runs in the same slot: `FencedByTwin`.

Non-goals: choosing records; rebalancing. No delivery callbacks are used: on a fenced producer they make `flush()`
raise SystemError, and the commit reports every failed delivery anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from worker.stream.backoff import Log, Patience
from worker.stream.bounded import CallLost, bounded
from worker.stream.errors import BatchAborted, BatchRejected, FencedByTwin, ProducerReplaced, Unavailable
from worker.stream.metrics import FENCED, TRANSACTIONS, Metrics
from worker.stream.records import Outgoing

# Seconds that one blocking call may take before the consumer is polled again. Far below any session time-out that
# makes sense for max.poll.interval.ms, and long enough for a healthy three-broker commit (86 ms measured).
CALL_TIMEOUT = 3.0
# Seconds after which a call will not come back. A broker that is gone is noticed within the transaction's time-out or
# sooner; a call that is given up too early only costs a new producer and the batch's work.
LOST_AFTER = 30.0
# A producer is also "fenced" once when the coordinator aborts a transaction that outlived its time-out (Kafka was
# gone). Two such events within this many seconds are a twin: an outage that long ends in one.
TWIN_WINDOW = 300.0
TWIN_LIMIT = 3

_FENCED_CODES = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.FENCED_INSTANCE_ID}
)
# What the broker (or the client in its name) will answer to these records however often they are sent.
_REJECTED_CODES = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError._INVALID_ARG,
    }
)


def kafka_error(exception: KafkaException) -> KafkaError:
    """The KafkaError inside a KafkaException."""
    error = exception.args[0]
    if not isinstance(error, KafkaError):
        raise exception
    return error


class Checkpoint:
    """One transactional producer under a stable `transactional.id`; `commit` is one transaction.

    `make_producer` returns a fresh configured producer. `clock` is monotonic, in seconds. `lost_after`: seconds after
    which a call that has not come back never will.
    """

    def __init__(
        self,
        make_producer: Callable[[], Producer],
        patience: Patience,
        clock: Callable[[], float],
        metrics: Metrics,
        log: Log,
        lost_after: float = LOST_AFTER,
    ) -> None:
        self._make = make_producer
        self._lost_after = lost_after
        self._patience = patience
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._producer: Producer | None = None
        self._fenced_at: list[float] = []
        self.committing = False
        """True once the commit was asked for: from here on only the broker knows, and nothing may be abandoned."""

    def open(self) -> None:
        """Make the producer and settle what a predecessor of this slot left open. Waits while Kafka is gone."""
        self.committing = False
        self._drop()
        producer = self._make()
        self._patience.call(lambda: self._retriable(lambda: producer.init_transactions(CALL_TIMEOUT)))
        self._producer = producer

    def commit(
        self, records: Iterable[Outgoing], offsets: Mapping[int, int], topic: str, group: Callable[[], Any],
        notes: Mapping[int, str] | None = None,
    ) -> None:  # fmt: skip
        """Publish `records` and commit `offsets` (partition -> next offset of `topic`) atomically.

        `notes` are kept with the offsets (partition -> at most 4,096 bytes) and come back with them.
        `group()` gives fresh consumer group metadata, so that an evicted member's transaction is refused (KIP-447).
        Raises BatchAborted, BatchRejected, ProducerReplaced, FencedByTwin, and whatever ends a wait of `Patience`
        (the transaction is aborted then, unless it was already committing).
        """
        producer = self.ready()
        # The client takes no None for "no note".
        positions = [
            TopicPartition(topic, partition, offset, metadata=notes[partition])
            if notes and partition in notes
            else TopicPartition(topic, partition, offset)
            for partition, offset in sorted(offsets.items())
        ]
        self.committing = False
        try:
            producer.begin_transaction()
            for record in records:
                self._produce(producer, record)
            self._patience.call(lambda: self._send_offsets(producer, positions, group()))
            self.committing = True
            self._patience.call(lambda: self._retriable(lambda: producer.commit_transaction(CALL_TIMEOUT)))
            self._metrics.add(TRANSACTIONS, result="committed")
        except KafkaException as exception:
            self._give_up(kafka_error(exception))
        except CallLost as lost:
            self._metrics.add(TRANSACTIONS, result="in_doubt")
            self._replace("CALL_LOST", str(lost))
        except BaseException:
            # A wait ended (revoked, stopping), or a record could not be handed over: nothing of it may become visible.
            if not self.committing:
                self._drop()
            raise
        finally:
            self.committing = False

    def close(self) -> None:
        """Drop the producer; there is no open transaction between two commits."""
        self._producer = None

    def ready(self) -> Producer:
        """The producer, made anew where the last one was dropped. Waits while Kafka is gone."""
        if self._producer is None:
            self.open()
        if self._producer is None:
            raise RuntimeError("open() has left no producer")
        return self._producer

    def _produce(self, producer: Producer, record: Outgoing) -> None:
        arguments: dict[str, Any] = {"key": record.key, "value": record.value, "headers": record.headers}
        if record.partition is not None:
            arguments["partition"] = record.partition
        while True:
            try:
                producer.produce(record.topic, **arguments)
                return
            except BufferError:
                # The local queue is full: let the client send some of it.
                producer.poll(0.1)

    def _send_offsets(self, producer: Producer, positions: list[TopicPartition], group: Any) -> None:
        self._retriable(
            lambda: bounded(
                lambda: producer.send_offsets_to_transaction(positions, group, CALL_TIMEOUT),
                self._lost_after, "send_offsets_to_transaction",
            )
        )  # fmt: skip

    def _retriable(self, call: Callable[[], object]) -> None:
        try:
            call()
        except KafkaException as exception:
            error = kafka_error(exception)
            if error.retriable() and not error.txn_requires_abort() and not error.fatal():
                raise Unavailable("kafka", error.str()) from exception
            raise

    def _give_up(self, error: KafkaError) -> None:
        rejected = error.code() in _REJECTED_CODES
        if not error.fatal() and (error.txn_requires_abort() or rejected):
            self._metrics.add(TRANSACTIONS, result="aborted")
            self.open()
            if rejected:
                raise BatchRejected(error.str())
            raise BatchAborted(error.str())
        self._metrics.add(TRANSACTIONS, result="in_doubt")
        if error.code() in _FENCED_CODES:
            self._fenced()
        self._replace(error.name(), error.str())

    def _drop(self) -> None:
        """Let go of the producer; `ready` makes a new one."""
        if self._producer is not None:
            # What it still holds must not be waited for.
            self._producer.purge()
            self._producer = None

    def _fenced(self) -> None:
        self._metrics.add(FENCED)
        now = self._clock()
        self._fenced_at = [at for at in self._fenced_at if now - at < TWIN_WINDOW] + [now]
        if len(self._fenced_at) >= TWIN_LIMIT:
            raise FencedByTwin(
                f"fenced {TWIN_LIMIT} times within {TWIN_WINDOW:.0f} s: another worker runs with the same "
                "kafka.slot; give each worker of the group a slot of its own"
            )

    def _replace(self, error: str, detail: str) -> None:
        self._log.warning("producer_replaced", error=error, detail=detail)
        self.open()
        raise ProducerReplaced(detail)
