"""Membership in the consumer group: which partitions are ours, polling, pausing, and what a rebalance does.

Intent: all of Kafka's consumer that the loop sees. Rebalances are cooperative: only `incremental_assign` and
`incremental_unassign` are used, and partitions that stay ours never stop. The owner decides what becomes of the batch
at work (`on_revoked`, `on_lost`), inside the callback, before the partitions go.
Non-goals: transactions, and what records mean beyond their schema version.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.events import UnknownMajorVersion
from worker.stream.backoff import Log
from worker.stream.batch import Buffer
from worker.stream.errors import StreamError, Unavailable
from worker.stream.metrics import ASSIGNED, HALTED, REBALANCES, Metrics
from worker.stream.records import LookedAt, Record
from worker.stream.transaction import kafka_error
from worker.stream.validate import validate

# Seconds that a question to the broker may take while the loop stands still.
ASK_TIMEOUT = 10.0
_DOWN = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT})


MakeConsumer = Callable[[Callable[[KafkaError], None]], Consumer]
"""Gives a configured consumer, which reports the client's errors to what it is given."""


def member_of(config: Mapping[str, Any]) -> MakeConsumer:
    """Makes consumers of this configuration."""
    return lambda error_cb: Consumer({**config, "error_cb": error_cb})


class ConsumerFailed(StreamError):
    """The consumer cannot go on (a fatal client error, or no permission). Exit code 1."""


class Session:
    """One member of the group. Polled records go, validated, into `buffer`.

    `make_consumer(error_cb)` returns a configured consumer; `on_revoked(partitions)` and `on_lost(partitions)` are
    called while the partitions are still assigned. `read` looks at a record, and may raise UnknownMajorVersion.
    """

    def __init__(
        self,
        make_consumer: MakeConsumer,
        topic: str,
        buffer: Buffer[Any],
        on_revoked: Callable[[Collection[int]], None],
        on_lost: Callable[[Collection[int]], None],
        metrics: Metrics,
        log: Log,
        read: Callable[[Record], LookedAt] = validate,
    ) -> None:
        self.topic = topic
        self._read = read
        self.owned: set[int] = set()
        self.halted: dict[int, int] = {}
        """Partitions that stand at a record of an unknown major version: partition -> its offset."""
        self.suspicious = False
        """Whether the client has said that it reaches no broker, and nobody has asked since (`probe`)."""
        self._buffer = buffer
        self._on_revoked = on_revoked
        self._on_lost = on_lost
        self._metrics = metrics
        self._log = log
        self._paused = False
        self._raised: BaseException | None = None
        self.consumer = make_consumer(self._client_error)

    def subscribe(self) -> None:
        self.consumer.subscribe([self.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def poll(self, seconds: float) -> bool:
        """Wait up to `seconds` for one record, serving rebalances; returns whether one came into the buffer."""
        message = self.consumer.poll(seconds)
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        if message is None:
            return False
        error = message.error()
        if error is not None:
            self._poll_error(error)
            return False
        return self._take(message)

    def pause(self) -> None:
        """Stop fetching; polls from now on only keep the membership. Idempotent."""
        if not self._paused:
            self._paused = True
            self.consumer.pause(self._partitions(self.owned))

    def resume(self) -> None:
        """Fetch again, except what is halted. Idempotent."""
        if self._paused:
            self._paused = False
            self.consumer.resume(self._partitions(self.owned - self.halted.keys()))

    def lag(self, reached: Mapping[int, int]) -> int:
        """Changes that wait in our partitions, as far as the last fetch told.

        `reached` holds the next offset of partitions of the batch at work; the others are where the consumer stands.
        """
        waiting = 0
        for entry in self.consumer.position(self._partitions(self.owned)):
            try:
                _, high = self.consumer.get_watermark_offsets(entry, cached=True)
            except KafkaException:
                continue
            at = reached.get(entry.partition, entry.offset)
            # Negative: nothing was fetched of this partition yet.
            if high >= 0 and at >= 0:
                waiting += max(0, high - at)
        return waiting

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        """The group's committed offset of each partition, None where there is none. Raises Unavailable."""
        try:
            found = self.consumer.committed(self._partitions(partitions), timeout=ASK_TIMEOUT)
        except KafkaException as exception:
            raise Unavailable("kafka", kafka_error(exception).str()) from exception
        for entry in found:
            if entry.error is not None:
                raise Unavailable("kafka", str(entry.error))
        return {entry.partition: entry.offset if entry.offset >= 0 else None for entry in found}

    def rewind(self) -> None:
        """Forget what was polled and go back to the committed offsets. Raises Unavailable."""
        for partition, offset in self.committed(self.owned).items():
            position = TopicPartition(self.topic, partition, OFFSET_BEGINNING if offset is None else offset)
            self.consumer.seek(position)
        self._buffer.clear()

    def probe(self) -> None:
        """Ask whether a broker answers. Raises Unavailable."""
        try:
            self.consumer.list_topics(self.topic, timeout=ASK_TIMEOUT / 5)
        except KafkaException as exception:
            raise Unavailable("kafka", kafka_error(exception).str()) from exception
        self.suspicious = False

    def group_metadata(self) -> Any:
        """Fresh metadata, with the generation that is ours right now."""
        return self.consumer.consumer_group_metadata()

    def close(self) -> None:
        """Leave the group; the last revocation happens here."""
        self.consumer.close()
        self.owned.clear()

    # Records

    def _take(self, message: Message[Any, Any]) -> bool:
        record = as_record(message)
        if record.partition not in self.owned or record.partition in self.halted:
            return False
        try:
            self._buffer.append(self._read(record))
        except UnknownMajorVersion as unknown:
            self._halt(record, unknown)
            return False
        if self._paused:
            self.consumer.pause(self._partitions([record.partition]))
        return True

    def _halt(self, record: Record, unknown: UnknownMajorVersion) -> None:
        self.halted[record.partition] = record.offset
        self.consumer.pause(self._partitions([record.partition]))
        self._metrics.set(HALTED, 1, partition=str(record.partition))
        self._log.error("partition_halted", partition=record.partition, offset=record.offset, detail=str(unknown))

    def _poll_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            return
        if error.fatal() or error.code() in (
            KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED
        ):  # fmt: skip
            raise ConsumerFailed(f"{error.name()}: {error.str()}")
        # Everything else (an unknown topic for a moment, a broker that is moving) is retried by the client itself.
        self._log.warning("consumer_error", error=error.name(), detail=error.str())

    def _client_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.suspicious = True
        elif error.fatal():
            self._raised = ConsumerFailed(f"{error.name()}: {error.str()}")

    # Rebalances. An exception must not unwind through the client's C code, so it is kept and raised by poll().

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        added = {entry.partition for entry in partitions}
        # Not paused here, even while we pause: its first record does that, in _take().
        self.owned |= added
        self._note("assigned", added)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._go(consumer, partitions, self._on_revoked, "revoked")

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._go(consumer, partitions, self._on_lost, "lost")

    def _go(
        self, consumer: Consumer, partitions: list[TopicPartition], tell: Callable[[Collection[int]], None], event: str
    ) -> None:
        gone = {entry.partition for entry in partitions}
        try:
            tell(gone)
        except BaseException as raised:  # noqa: BLE001 - kept for poll(), see above
            self._raised = raised
        self.owned -= gone
        self._buffer.drop_partitions(gone)
        for partition in gone & self.halted.keys():
            del self.halted[partition]
            self._metrics.set(HALTED, 0, partition=str(partition))
        # The client remembers a pause beyond the assignment: the partition would stand still when it comes back.
        consumer.resume(partitions)
        consumer.incremental_unassign(partitions)
        self._note(event, gone)

    def _note(self, event: str, partitions: set[int]) -> None:
        self._metrics.set(ASSIGNED, len(self.owned))
        if partitions:
            self._metrics.add(REBALANCES, len(partitions), event=event)
            self._log.info(f"partitions_{event}", partitions=sorted(partitions), owned=sorted(self.owned))

    def _partitions(self, partitions: Collection[int]) -> list[TopicPartition]:
        return [TopicPartition(self.topic, partition) for partition in sorted(partitions)]


def as_record(message: Message[Any, Any]) -> Record:
    """A message of the client as a plain value. Raises ValueError for one without a place (an error, say)."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ValueError("a message without topic, partition or offset")
    kind, at = message.timestamp()
    raw = message.headers() or []
    pairs = raw.items() if isinstance(raw, dict) else raw
    headers = [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]
    return Record(topic, partition, offset, message.key(), message.value(), headers, at if kind else None)
