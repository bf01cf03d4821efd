"""From the topics into the store, each committed record exactly once.

A sink goes on where the files of a partition end, not where the group has committed: so a file and the knowledge that
it is there cannot come apart. Before a file is written the store is asked again where it ends; what another sink has
written meanwhile is dropped from the buffer. Two sinks that write at the same instant write ranges of which only one
path counts (`worker.audit.chain`). Offsets are committed all the same, for tools that show a group's lag.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.partitioner import partition_of
from worker.audit.buffers import Buffer, Buffers
from worker.audit.columns import Row
from worker.audit.errors import AuditError
from worker.audit.merging import Merger
from worker.audit.store import AuditStore
from worker.audit.tables import TABLES, Table
from worker.stream.backoff import Log, Patience
from worker.stream.errors import Stopping, StreamError, Unavailable
from worker.stream.metrics import (
    AUDIT_FLUSH_SECONDS,
    AUDIT_LAG,
    AUDIT_LOST,
    AUDIT_OVERTAKEN,
    AUDIT_RECORDS,
    AUDIT_UNREADABLE,
    WAITING,
    Metrics,
)
from worker.stream.records import Record
from worker.stream.session import ASK_TIMEOUT, MakeConsumer, as_record

T = TypeVar("T")

# Records taken from the client at a time, and how long it is waited for the first of them (seconds).
BATCH = 500
POLL_S = 0.5
# Bytes of records held in memory over all partitions.
HOLD_BYTES = 64 * 1024 * 1024


class SinkFailed(StreamError):
    """The consumer cannot go on (a fatal client error, or no permission)."""


class Sink:
    """One member of the sinks' group. `topics` are full names by table; `make_consumer(error_cb)` configures it."""

    def __init__(
        self,
        store: AuditStore,
        topics: dict[str, str],
        make_consumer: MakeConsumer,
        buffers: Buffers,
        merger: Merger | None,
        clock: Callable[[], float],
        backoff: tuple[float, float],
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._store = store
        self._tables: dict[str, Table] = {topics[table.name]: table for table in TABLES.values()}
        self._counts = store.info().counts
        self._strays = set(store.info().misplaced)
        self._buffers = buffers
        self._merger = merger
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._stopping = False
        self._unreachable = False
        self._raised: BaseException | None = None
        self._in_callback = False
        self._patience = Patience(self._pause_for, clock, metrics, log, *backoff)
        self._consumer = make_consumer(self._client_error)

    def stop(self) -> None:
        """Write what is held and return from `run`; safe to call from a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Read and write until told to stop. Raises SinkFailed."""
        self._consumer.subscribe(
            list(self._tables), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        try:
            while not self._stopping:
                self.step()
            self._log.info("stopping")
            for buffer in self._buffers:
                self._flush(buffer)
        except Stopping:
            self._log.warning("stopped_while_waiting", detail="what was held is read again at the next start")
        finally:
            if self._merger is not None:
                self._merger.end(timeout=10.0)
            self._consumer.close()
        self._log.info("sink_stopped")

    def step(self) -> None:
        """Take some records, and write what is due."""
        messages = self._consumer.consume(BATCH, timeout=POLL_S)
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        for message in messages:
            self._take(message)
        for buffer in self._buffers.due(self._clock()):
            self._flush(buffer)

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.fatal() or error.code() in (
                KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED,
            ):  # fmt: skip
                raise SinkFailed(error.str())
            if not error.retriable() and error.code() != KafkaError._PARTITION_EOF:
                self._log.warning("kafka", detail=error.str())
            return
        self._reachable()
        record = as_record(message)
        buffer = self._buffers.get(self._tables[record.topic], record.partition)
        # Records of a partition that was just revoked may still be under way; they are the other sink's.
        if buffer is not None:
            buffer.add(record, self._clock())

    # Writing

    def _flush(self, buffer: Buffer) -> None:
        if not buffer.records:
            return
        table, partition = buffer.table, buffer.partition
        end = self._stored_end(table, partition)
        if end < buffer.start:
            # Somebody has removed files, or a path that this sink had built on lost to another.
            self._log.warning("read_again", table=table.name, partition=partition, start=end, was=buffer.start)
            self._seek(buffer, end)
            return
        if end > buffer.start:
            self._metrics.add(AUDIT_OVERTAKEN, buffer.written(end))
            self._log.info("overtaken", table=table.name, partition=partition, end=end)
            if not buffer.records:
                if end > self._position(buffer):
                    self._seek(buffer, end)
                return
        began, start, upto = self._clock(), buffer.start, buffer.end
        # While the store is waited for, more may come; it is for the next file.
        records = list(buffer.records)
        bad: dict[int, str] = {}

        def rows() -> Iterator[Row]:
            for record in records:
                row = table.row(record)
                if row["unreadable"] is not None:
                    bad[record.offset] = str(row["unreadable"]).partition(":")[0]
                yield row

        self._check_places(table, records)
        self._patience.call(lambda: self._stored(lambda: self._store.append(table, partition, start, upto, rows())))
        self._metrics.observe(AUDIT_FLUSH_SECONDS, self._clock() - began)
        self._metrics.add(AUDIT_RECORDS, len(records), table=table.name)
        for offset, reason in bad.items():
            self._metrics.add(AUDIT_UNREADABLE, table=table.name, reason=reason)
            self._log.error("unreadable", table=table.name, partition=partition, offset=offset, reason=reason)
        buffer.written(upto)
        self._commit(buffer)
        self._note_lag(table)
        if self._merger is not None:
            self._merger.ask(table, partition)

    def _check_places(self, table: Table, records: Sequence[Record]) -> None:
        """Look-ups rely on a key's records lying in the key's partition; the store is told when they do not."""
        counts = self._counts.get(table.name, ())
        for record in records if table.name not in self._strays else ():
            if all(partition_of(record.key or b"", count) != record.partition for count in counts):
                self._strays.add(table.name)
                self._patience.call(lambda: self._stored(lambda: self._store.misplaced(table)))
                self._log.warning("misplaced", table=table.name, record=str(record))
                return

    def _stored_end(self, table: Table, partition: int) -> int:
        """Where the files of a partition end, once the store can be asked."""
        return self._patience.call(lambda: self._stored(lambda: self._store.end(table, partition)))

    def _seek(self, buffer: Buffer, offset: int) -> None:
        topic = self._topic(buffer.table)
        self._buffers.open(buffer.table, buffer.partition, offset)
        self._consumer.seek(TopicPartition(topic, buffer.partition, offset))

    def _position(self, buffer: Buffer) -> int:
        found = self._consumer.position([TopicPartition(self._topic(buffer.table), buffer.partition)])
        return max(0, found[0].offset)

    def _commit(self, buffer: Buffer) -> None:
        where = TopicPartition(self._topic(buffer.table), buffer.partition, buffer.start)
        try:
            self._consumer.commit(offsets=[where], asynchronous=True)
        except KafkaException as exception:
            # Nothing depends on it.
            self._log.info("not_committed", detail=str(exception))

    def _note_lag(self, table: Table) -> None:
        lag = 0
        for buffer in self._buffers:
            if buffer.table is not table:
                continue
            try:
                where = TopicPartition(self._topic(table), buffer.partition)
                _, high = self._consumer.get_watermark_offsets(where, cached=True)
            except KafkaException:
                continue
            lag += max(0, high - buffer.start)
        self._metrics.set(AUDIT_LAG, lag, table=table.name)

    def _topic(self, table: Table) -> str:
        return next(topic for topic, each in self._tables.items() if each is table)

    # The group

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._in_callback = True
        try:
            for each in partitions:
                table = self._tables[each.topic]
                each.offset = self._stored_end(table, each.partition)
                self._buffers.open(table, each.partition, each.offset)
                self._note_lost(consumer, each, table)
            consumer.incremental_assign(list(partitions))
            self._log.info(
                "assigned", partitions=[f"{each.topic}/{each.partition}@{each.offset}" for each in partitions]
            )
        except BaseException as error:  # noqa: BLE001 - raised again outside of the callback
            # An exception in a callback would be lost in the client.
            self._raised = error
        finally:
            self._in_callback = False

    def _note_lost(self, consumer: Consumer, where: TopicPartition, table: Table) -> None:
        """Say so when the topic no longer holds what comes next. Removed by compaction is not lost: it was replaced."""
        try:
            low, _ = consumer.get_watermark_offsets(where, timeout=ASK_TIMEOUT)
        except KafkaException:
            return
        if low > where.offset:
            self._metrics.add(AUDIT_LOST, low - where.offset, table=table.name)
            self._log.error("lost", topic=where.topic, partition=where.partition, wanted=where.offset, begins=low)

    def _revoked(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._in_callback = True
        try:
            for each in partitions:
                buffer = self._buffers.get(self._tables[each.topic], each.partition)
                if buffer is not None:
                    self._flush(buffer)
        except BaseException as error:  # noqa: BLE001 - raised again outside of the callback
            self._raised = error
        finally:
            self._in_callback = False
        self._lost(consumer, partitions)

    def _lost(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            self._buffers.close(self._tables[each.topic], each.partition)

    # Outages

    def _client_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._raised = SinkFailed(error.str())
        elif error.code() == KafkaError._ALL_BROKERS_DOWN and not self._unreachable:
            self._unreachable = True
            self._metrics.set(WAITING, 1, system="kafka")
            self._log.warning("waiting", system="kafka", detail=error.str())

    def _reachable(self) -> None:
        if self._unreachable:
            self._unreachable = False
            self._metrics.set(WAITING, 0, system="kafka")
            self._log.info("resumed", system="kafka")

    def _pause_for(self, seconds: float) -> None:
        """Wait for the store without losing the membership: polls that fetch nothing."""
        if self._stopping:
            raise Stopping
        if self._in_callback:
            # The client must not be polled from inside its own poll.
            time.sleep(seconds)
            return
        self._consumer.pause(self._consumer.assignment())
        try:
            message = self._consumer.poll(seconds)
            if message is not None:
                self._take(message)
        finally:
            self._consumer.resume(self._consumer.assignment())

    def _stored(self, step: Callable[[], T]) -> T:
        """Failures of the store's disk or service are waited out, as those of Kafka are."""
        try:
            return step()
        except (AuditError, MemoryError):
            raise
        except OSError as error:
            raise Unavailable("store", f"{type(error).__name__}: {error}") from error
        except Exception as error:
            # The clients of object stores have error classes of their own for what is an outage.
            if self._store.folder.local:
                raise
            raise Unavailable("store", repr(error)) from error
