"""The index made whole again from Kafka (decision 7), and the question whether it is whole.

Intent: Redis may be empty, fail over to an older copy, or belong to a re-created topic. `Wholeness` notices: it asks
once a batch whether the applied offsets are still what they were, and judging waits until every partition is applied at
least up to the group's committed offset. `Restorer` fills the gap of a partition from `catalog.offers`, which lies
partition by partition beside the input, and puts the standing decisions back from `match.decisions`, and what people
said from `match.labels`.

In a new index every partition is restored, also one without any commit, so the partitions of `match.decisions` can be
shared out by number: whoever restores input partition p of n reads the decision partitions d with d mod n == p, and all
is read once. In an index that fell back only some partitions are behind, and whoever restores one reads all decisions.
Non-goals: waiting (the loop does), and history: only standing matches and reviews return.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.decision import MatchDecision, supersedes
from schemas.events import BadEvent, UnknownMajorVersion
from schemas.label import parse_label
from schemas.offer import Offer, split_pair
from schemas.offer_record import HEADER_EFFECTIVE_VERSION, HEADER_SELLER_VERSION, OfferRecord
from worker.blocking.errors import IndexLost
from worker.blocking.records import Delete, HeldLabel, Link, Settle, StoredOffer, Upsert, Written
from worker.stream.backoff import Log
from worker.stream.errors import IndexNotWhole, Unavailable
from worker.stream.judging import IndexPort
from worker.stream.labels import held_label
from worker.stream.metrics import RESTORED, Metrics
from worker.stream.pairs import LINKING, standing_of
from worker.stream.records import Record
from worker.stream.session import ASK_TIMEOUT, as_record
from worker.stream.transaction import kafka_error
from worker.stream.validate import versioned

# Records written to Redis per round trip: large enough to hide it, small enough that the loop polls every moment.
CHUNK = 500
# The token under which restored links are put back. It names no change, so no worker's attempt can be confused with it.
TOKEN = "restore"


class RestorableIndex(IndexPort, Protocol):
    """The part of `worker.blocking.Index` that restoring uses."""

    def initialise(self, generation: str) -> None: ...

    def applied(self) -> dict[int, int]: ...

    def put_labels(self, labels: Iterable[tuple[str, str, HeldLabel]]) -> None: ...


@dataclass(frozen=True, slots=True)
class Gap:
    """A partition that the index lacks: up to which offset, and whether the index knows nothing of it at all."""

    committed: int
    new: bool


class Wholeness:
    """Whether the index has everything that was committed. `partitions` counts those of the input topic."""

    def __init__(
        self,
        index: RestorableIndex,
        generation: str,
        partitions: int,
        committed: Callable[[Collection[int]], dict[int, int | None]],
    ) -> None:
        self.index = index
        self.partitions = partitions
        self._generation = generation
        self._committed = committed
        self._seen: dict[int, int] | None = None

    def check(self) -> None:
        """Cheap, once a batch. Raises IndexNotWhole when something is gone, or when nothing was verified yet."""
        if self._seen is None:
            raise IndexNotWhole("the index has not been compared with the committed offsets yet")
        try:
            applied = self.index.applied()
        except IndexLost as lost:
            self._seen = None
            raise IndexNotWhole(str(lost)) from lost
        for partition, seen in self._seen.items():
            if applied.get(partition, 0) < seen:
                self._seen = None
                raise IndexNotWhole(
                    f"partition {partition} was applied up to {seen}, Redis says {applied.get(partition, 0)}"
                )
        self._seen = applied

    def distrust(self) -> None:
        """Verify before anything else is judged."""
        self._seen = None

    def missing(self) -> dict[int, Gap]:
        """Partitions that the index does not know or that are behind their committed offset. None: it is whole.

        Adopts the index, making an empty one where there is none. Raises Unavailable and redis errors.
        """
        self.index.initialise(self._generation)
        applied = self.index.applied()
        gaps = {
            partition: Gap(offset or 0, partition not in applied)
            for partition, offset in self._committed(range(self.partitions)).items()
            if applied.get(partition, -1) < (offset or 0)
        }
        if not gaps:
            self._seen = applied
        return gaps


class Restorer:
    """Fills gaps of partitions. `alive()` is called every moment; it keeps the group membership and may raise."""

    def __init__(
        self, index: RestorableIndex, client_config: dict[str, Any], offers_topic: str, decisions_topic: str,
        labels_topic: str, partitions: int, alive: Callable[[], None], metrics: Metrics, log: Log,
    ) -> None:  # fmt: skip
        self._index = index
        self._config = client_config
        self._offers = offers_topic
        self._decisions = decisions_topic
        self._labels = labels_topic
        self._partitions = partitions
        self._alive = alive
        self._admin: AdminClient | None = None
        self._metrics = metrics
        self._log = log

    def restore(self, gaps: Mapping[int, Gap]) -> None:
        """Index what `catalog.offers` holds of these partitions, put their share of links back, note them as applied.

        `gaps` must have been read before: everything below their offsets is then in the topics. A link to an offer that
        another worker has yet to restore comes back without what its reuse needs, so that pair is judged once more.
        Raises Unavailable, redis errors, IndexLost, and whatever `alive` raises; it may be called again at any time.
        """
        offers = {partition: self._restore_offers(partition) for partition in sorted(gaps)}
        for partition, gap in sorted(gaps.items()):
            links = sum(
                self._link(self._read(self._decisions, number))
                for number in self._share(self._decisions, partition, gap)
            )
            # Their decisions came back with the links, as far as they link; what was said of a pair comes back here,
            # so that a no_match binds as well, and a label that waits for its contents.
            labels = sum(
                self._put_labels(chunk)
                for number in self._share(self._labels, partition, gap)
                for chunk in chunks(self._read(self._labels, number))
            )
            self._index.set_applied({partition: gap.committed})
            self._log.info(
                "partition_restored", partition=partition, offers=offers[partition], links=links, labels=labels,
                applied=gap.committed,
            )  # fmt: skip

    def _share(self, topic: str, partition: int, gap: Gap) -> range:
        everything = range(self._count(topic))
        return everything[partition :: self._partitions] if gap.new else everything

    def _put_labels(self, records: list[Record]) -> int:
        found: list[tuple[str, str, HeldLabel]] = []
        for record in records:
            with suppress(BadEvent, UnknownMajorVersion):
                # What cannot be used was refused, or halts the desk, when its turn came.
                label = parse_label(record.key, record.value)
                found.append((*split_pair(label.pair_id), held_label(label, record)))
        self._index.put_labels(found)
        self._metrics.add(RESTORED, len(found), kind="label")
        return len(found)

    def _restore_offers(self, partition: int) -> int:
        return sum(self._put(chunk) for chunk in chunks(self._read(self._offers, partition)))

    def _put(self, records: list[Record]) -> int:
        latest: dict[str, Upsert | Delete] = {}
        for record in records:
            write = as_write(record)
            if write is not None:
                latest[write.offer.key if isinstance(write, Upsert) else write.key] = write
        written: list[Written] = self._index.write_many(list(latest.values()))
        deletes = sum(isinstance(write, Delete) for write in latest.values())
        self._metrics.add(RESTORED, deletes, kind="tombstone")
        self._metrics.add(RESTORED, len(written) - deletes, kind="offer")
        return len(written)

    def _link(self, records: Iterator[Record]) -> int:
        stands: dict[str, MatchDecision] = {}
        for record in records:
            if record.value is None:
                continue
            made = MatchDecision.model_validate(orjson.loads(record.value))
            held = stands.get(made.pair_id)
            if held is None or supersedes(made, held):
                # The rationale is the bulk of a decision, and nothing here needs it.
                stands[made.pair_id] = made.model_copy(update={"rationale": None})
        linking = [made for made in stands.values() if made.verdict in LINKING]
        for start in range(0, len(linking), CHUNK):
            self._alive()
            part = linking[start : start + CHUNK]
            keys = [key for made in part for key in (made.first.key, made.second.key)]
            stored = self._index.read(keys)
            self._index.link_many(Link(made.first.key, made.second.key, TOKEN) for made in part)
            self._index.settle_many(
                [
                    Settle(
                        made.first.key, made.second.key, TOKEN,
                        standing_of(
                            made,
                            content(stored[2 * place], made.first.digest),
                            content(stored[2 * place + 1], made.second.digest),
                        ),
                    )
                    for place, made in enumerate(part)
                ]
            )  # fmt: skip
            self._metrics.add(RESTORED, len(part), kind="link")
        return len(linking)

    def _read(self, topic: str, partition: int) -> Iterator[Record]:
        """All committed records of a partition, up to the end that it has now, open transactions included."""
        end = self._end(topic, partition)
        if end == 0:
            return
        consumer = Consumer(
            {
                **self._config,
                # Never committed under; the client wants a name.
                "group.id": "samesku-restore",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        try:
            consumer.assign([TopicPartition(topic, partition, 0)])
            quiet = 0
            while True:
                self._alive()
                for message in consumer.consume(CHUNK, timeout=0.2):
                    error = message.error()
                    if error is None:
                        quiet = 0
                        record = as_record(message)
                        yield record
                        if record.offset + 1 >= end:
                            return
                    elif error.code() == KafkaError._PARTITION_EOF:
                        # An end before `end` is an open transaction of somebody; it is committed or aborted in time.
                        reached = message.offset()
                        if reached is not None and reached >= end:
                            return
                    elif not error.retriable():
                        raise Unavailable("kafka", error.str())
                quiet += 1
                if quiet > _QUIET_LIMIT:
                    raise Unavailable("kafka", f"{topic}/{partition} gives nothing more before offset {end}")
        finally:
            consumer.close()

    def _end(self, topic: str, partition: int) -> int:
        """The high watermark, uncommitted records included."""
        where = TopicPartition(topic, partition)
        latest: Any = OffsetSpec.latest  # untyped in the client
        asked = self._asking().list_offsets(
            {where: latest()}, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=ASK_TIMEOUT
        )
        try:
            return int(asked[where].result(2 * ASK_TIMEOUT).offset)
        except TimeoutError as late:
            raise Unavailable("kafka", f"no answer about the end of {topic}/{partition}") from late
        except KafkaException as exception:
            raise Unavailable("kafka", kafka_error(exception).str()) from exception

    def _asking(self) -> AdminClient:
        """One client, held: with a temporary one goes the thread that would bring its answer."""
        if self._admin is None:
            self._admin = AdminClient(dict(self._config))
        return self._admin

    def _count(self, topic: str) -> int:
        try:
            metadata = self._asking().list_topics(topic, timeout=ASK_TIMEOUT)
        except KafkaException as exception:
            raise Unavailable("kafka", kafka_error(exception).str()) from exception
        return len(metadata.topics[topic].partitions)


# Reads of 0.2 s without a record before the restore starts again: longer than any transaction time-out of ours (60 s)
# holds back a reader.
_QUIET_LIMIT = 450


def chunks(records: Iterator[Record]) -> Iterator[list[Record]]:
    """The records in lists of at most `CHUNK`."""
    held: list[Record] = []
    for record in records:
        held.append(record)
        if len(held) == CHUNK:
            yield held
            held = []
    if held:
        yield held


def as_write(record: Record) -> Upsert | Delete | None:
    """What a record of `catalog.offers` says; None for a foreign one without key or version."""
    if record.value is not None:
        stored = OfferRecord.model_validate(orjson.loads(record.value))
        return Upsert(versioned(stored.offer, stored.seller_version), stored.effective_version)
    headers = dict(record.headers)
    version = headers.get(HEADER_EFFECTIVE_VERSION)
    if record.key is None or version is None:
        return None
    seller = headers.get(HEADER_SELLER_VERSION)
    return Delete(record.key.decode(), int(version), int(seller) if seller is not None else None)


def content(stored: StoredOffer | None, digest: str) -> Offer | None:
    """The offer, if the index holds the very content that a decision was about."""
    if stored is None or stored.deleted or stored.digest != digest:
        return None
    return stored.offer
