"""Which decisions judges or the teacher have called rather wrong, as far as match.opinions says by now.

Intent: what the chance of a decision may depend on beside the decision itself. The sampler looks when it draws, which
is `labeling.opinions_wait_s` after the decision was made, and never again: an opinion that comes later changes no
chance that was in force. Judges are asked by a hash of their own, and the teacher about what was drawn before, so that
no opinion that is there says anything about the number by which a decision is drawn.

All partitions are read, whoever owns which pairs: opinions are few. Only committed records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from pydantic import ValidationError

from schemas import topics
from schemas.drift import Opinion
from schemas.sections import KafkaSettings
from worker.labeling.sampler import IncomingDecision
from worker.stream.clients import reader_config
from worker.stream.errors import Unavailable
from worker.stream.session import ASK_TIMEOUT

# Below it the decision is rather wrong.
DOUBT = 0.5
# Clocks of workers and brokers differ: opinions are read from so long before the first decision that is asked about.
MARGIN = timedelta(minutes=5)
# Kept for partitions that lag behind the others; a decision from before makes the topic be read again from there.
KEPT = timedelta(days=1)
# Seconds without a record or an end after which the broker counts as gone.
SILENCE = 15.0


class TopicDoubts:
    """Reads along match.opinions. One caller at a time. Raises Unavailable while the broker is gone."""

    def __init__(self, kafka: KafkaSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._topic = kafka.topic(topics.OPINIONS)
        config = reader_config(kafka)
        self._consumer = Consumer(
            {
                **config,
                "group.id": "samesku-labeling-opinions",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        self._admin = AdminClient(config)
        self._clock = clock
        self._since_ms: int | None = None
        self._reached: dict[int, int] = {}
        self._doubted: dict[str, int] = {}
        """By decision: when the log took the opinion (ms)."""

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def among(self, batch: Sequence[IncomingDecision]) -> set[str]:
        """Ids of those decisions of the batch that have been doubted by now."""
        wanted = {each.made.decision_id: each.made.decided_at for each in batch if each.made is not None}
        if not wanted:
            return set()
        oldest = round((min(wanted.values()) - MARGIN).timestamp() * 1000)
        try:
            if self._since_ms is None or oldest < self._since_ms:
                self._begin(oldest)
            self._read_on()
        except KafkaException as error:
            raise Unavailable("kafka", str(error)) from error
        self._forget(oldest)
        return wanted.keys() & self._doubted.keys()

    def _begin(self, at_ms: int) -> None:
        found = self._consumer.list_topics(self._topic, timeout=ASK_TIMEOUT).topics[self._topic]
        # Before the times are asked for: where nothing is as young, what comes from here on is all there is to read.
        ends = self._ends(found.partitions)
        asked = [TopicPartition(self._topic, number, at_ms) for number in sorted(found.partitions)]
        places = self._consumer.offsets_for_times(asked, timeout=ASK_TIMEOUT)
        starts = {each.partition: each.offset if each.offset >= 0 else ends[each.partition] for each in places}
        self._doubted.clear()
        self._consumer.assign([TopicPartition(self._topic, number, start) for number, start in starts.items()])
        self._reached = starts
        self._since_ms = at_ms

    def _ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """Where the committed part of each ends."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(self._topic, number): latest for number in partitions}
        futures = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ASK_TIMEOUT
        )
        return {place.partition: future.result(2 * ASK_TIMEOUT).offset for place, future in futures.items()}

    def _read_on(self) -> None:
        """Up to what is committed now."""
        ends = self._ends(self._reached)
        heard = self._clock()
        while any(self._reached[number] < end for number, end in ends.items()):
            message = self._consumer.poll(1.0)
            if message is None:
                if self._clock() - heard > SILENCE:
                    raise Unavailable("kafka", f"{self._topic}: neither a record nor an end")
                continue
            heard = self._clock()
            number, offset, error = message.partition(), message.offset(), message.error()
            if number is None or offset is None:
                continue
            if error is None:
                self._take(message.value(), message.timestamp()[1])
                self._reached[number] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._reached[number] = max(self._reached[number], offset)
            elif not error.retriable():
                raise Unavailable("kafka", error.str())

    def _take(self, value: bytes | None, at_ms: int) -> None:
        try:
            opinion = Opinion.model_validate_json(value or b"")
        except ValidationError:
            return  # none of ours; the monitor counts it as unreadable
        if opinion.about == "decision" and opinion.score < DOUBT:
            self._doubted[opinion.decision_id] = at_ms

    def _forget(self, oldest: int) -> None:
        kept = round(KEPT.total_seconds() * 1000)
        if self._since_ms is not None and self._since_ms < oldest - 2 * kept:
            self._since_ms = oldest - kept
            self._doubted = {name: at for name, at in self._doubted.items() if at >= self._since_ms}
