"""What the page reads: tasks and labels first, then the decisions that were there before.

The order of a step matters. A task is published in the transaction of its decision, so when all tasks up to now are
known, every decision up to a moment before finds the tasks that it may have made obsolete; the other way round one that
came between would be passed over. Of decisions only those about pairs that are known here are parsed.

A record that nobody can use is skipped and said in the log; one of an unknown major version stops the intake, because
it may be right.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import ValidationError

from schemas import topics
from schemas.decision import MatchDecision
from schemas.events import BadEvent
from schemas.label import parse_label
from schemas.labeling import LabelingTask
from schemas.review import ReviewTask
from schemas.sections import KafkaSettings
from worker.review import tasks
from worker.review.database import Database
from worker.review.following import Follower
from worker.stream.backoff import Log
from worker.stream.records import Record

# Longest part of what is wrong with a record that the log repeats: it quotes the record.
_TOLD = 300


class Intake:
    """Brings the database up to date with Kafka. One owner; `step` and `labels` raise Unavailable and ForeignTopics."""

    def __init__(
        self,
        kafka: KafkaSettings,
        database: Database,
        double_share: float,
        clock: Callable[[], datetime],
        log: Log,
    ) -> None:
        self._names = {
            kafka.topic(name): name for name in (topics.REVIEW, topics.LABELING, topics.LABELS, topics.DECISIONS)
        }
        self._asked = Follower(
            kafka, [kafka.topic(name) for name in (topics.REVIEW, topics.LABELING, topics.LABELS)], database
        )
        self._decided = Follower(kafka, [kafka.topic(topics.DECISIONS)], database)
        self._double_share = double_share
        self._clock = clock
        self._log = log

    def step(self) -> int:
        """Read everything that is committed now; returns how many records there were."""
        decided = self._decided.ends()
        return self.tasks_and_labels() + self._decided.read(decided, self._take)

    def tasks_and_labels(self) -> int:
        """The same without decisions: what the outbox must know before it sends."""
        return self._asked.read(self._asked.ends(), self._take)

    def close(self) -> None:
        self._asked.close()
        self._decided.close()

    def _take(self, connection: sqlite3.Connection, records: Sequence[Record]) -> None:
        for record in records:
            try:
                self._take_one(connection, record)
            except (BadEvent, ValidationError) as error:
                self._log.warning("record_skipped", record=str(record), detail=str(error)[:_TOLD])

    def _take_one(self, connection: sqlite3.Connection, record: Record) -> None:
        name = self._names[record.topic]
        if name == topics.DECISIONS:
            if self._knows(connection, record.key):
                tasks.take_decision(connection, MatchDecision.model_validate_json(record.value or b""))
        elif name == topics.LABELS:
            label = parse_label(record.key, record.value)
            tasks.take_label(connection, label, record.partition, record.offset)
        elif name == topics.LABELING:
            tasks.take_labeling(connection, LabelingTask.model_validate_json(record.value or b""), self._clock())
        else:
            tasks.take_review(connection, ReviewTask.model_validate_json(record.value or b""), self._double_share)

    @staticmethod
    def _knows(connection: sqlite3.Connection, key: bytes | None) -> bool:
        pair = (key or b"").decode("utf-8", "replace")
        return connection.execute("SELECT 1 FROM tasks WHERE pair_id = ? LIMIT 1", (pair,)).fetchone() is not None
