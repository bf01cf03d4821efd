"""Reading a few topics from where the database stands, in steps that end: up to what was committed at a moment.

Intent: positions lie beside the rows that they brought, in one SQLite transaction, so that a record counts once
whatever crashes. No consumer group: there is one page, and it reads everything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.sections import KafkaSettings
from worker.review.database import Database
from worker.review.errors import ForeignTopics
from worker.stream.clients import assigned_config, reader_config
from worker.stream.errors import Unavailable
from worker.stream.records import Record
from worker.stream.session import as_record
from worker.stream.transaction import kafka_error

POLL_S = 0.5
BATCH = 500
ASK_S = 10.0
Place = tuple[str, int]
Ends = Mapping[Place, int]
Take = Callable[[sqlite3.Connection, Sequence[Record]], None]


class Follower:
    """Follows `topics` (full names). Raises Unavailable wherever Kafka cannot be reached: do it again later."""

    def __init__(self, kafka: KafkaSettings, topics: Sequence[str], database: Database) -> None:
        self.topics = tuple(topics)
        self._database = database
        self._admin = AdminClient(reader_config(kafka))
        # An offset that is gone is found out before (`_place`); anything else must not skip silently.
        self._consumer = Consumer(assigned_config(kafka, "review", "error"))
        self._positions: dict[Place, int] = {}

    def ends(self) -> dict[Place, int]:
        """Where each partition ends now for a reader of committed records."""
        try:
            metadata = self._admin.list_topics(timeout=ASK_S).topics
            missing = [topic for topic in self.topics if topic not in metadata]
            if missing:
                raise Unavailable("kafka", f"no topic {', '.join(missing)}: make it with `samesku topics apply`")
            places = [(topic, number) for topic in self.topics for number in metadata[topic].partitions]
            return self._offsets(places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        except KafkaException as exception:
            error = kafka_error(exception)
            raise Unavailable("kafka", f"{error.name()}: {error.str()}") from exception

    def _offsets(self, places: Sequence[Place], spec: OffsetSpec) -> dict[Place, int]:
        asked = self._admin.list_offsets(
            {TopicPartition(*place): spec for place in places},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=ASK_S,
        )
        return {(each.topic, each.partition): future.result().offset for each, future in asked.items()}

    def read(self, ends: Ends, take: Take) -> int:
        """Read up to `ends`, giving `take` what there is, inside the transaction that notes the position.

        Returns how many records there were. Raises Unavailable and ForeignTopics.
        """
        try:
            return self._read(ends, take)
        except BaseException:
            # What was fetched and not kept must be fetched again.
            self._positions.clear()
            raise

    def _read(self, ends: Ends, take: Take) -> int:
        self._place(ends)
        left = {place for place, end in ends.items() if self._positions[place] < end}
        count = 0
        while left:
            records: list[Record] = []
            try:
                messages = self._consumer.consume(BATCH, timeout=POLL_S)
            except KafkaException as exception:
                raise Unavailable("kafka", kafka_error(exception).str()) from exception
            if not messages:
                # Is there nobody, or only nothing yet?
                self._answering()
            for message in messages:
                place = (str(message.topic()), int(message.partition() or 0))
                error = message.error()
                if error is None:
                    records.append(as_record(message))
                    self._positions[place] = int(message.offset() or 0) + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    # Markers of transactions stand between the last record and the end.
                    self._positions[place] = max(self._positions[place], int(message.offset() or 0))
                else:
                    # Also an offset that retention has removed meanwhile: the next attempt begins behind it.
                    raise Unavailable("kafka", error.str())
            with self._database.write() as connection:
                if records:
                    take(connection, records)
                connection.executemany(
                    "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
                    [(topic, number, at) for (topic, number), at in self._positions.items() if (topic, number) in ends],
                )
            count += len(records)
            left = {place for place in left if self._positions[place] < ends[place]}
        return count

    def _answering(self) -> None:
        try:
            self._consumer.list_topics(self.topics[0], timeout=ASK_S)
        except KafkaException as exception:
            raise Unavailable("kafka", kafka_error(exception).str()) from exception

    def _place(self, ends: Ends) -> None:
        """Assign partitions that are new to us, each where the database stands."""
        fresh = [place for place in ends if place not in self._positions]
        if not fresh:
            return
        try:
            starts = self._offsets(fresh, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        except KafkaException as exception:
            raise Unavailable("kafka", kafka_error(exception).str()) from exception
        with self._database.read() as connection:
            held = {
                (row["topic"], row["partition"]): int(row["next_offset"])
                for row in connection.execute("SELECT * FROM positions")
            }
        for place in fresh:
            if held.get(place, 0) > ends[place]:
                raise ForeignTopics(
                    f"the database has read {place[0]}[{place[1]}] up to {held[place]}, but it ends at {ends[place]}: "
                    "the topic was made anew, or this is another cluster; start with another review.database"
                )
            # What retention has removed is gone; the tasks in it are long forgotten.
            self._positions[place] = max(held.get(place, 0), starts[place])
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in self._positions.items()])

    def close(self) -> None:
        self._consumer.close()
