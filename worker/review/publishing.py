"""From the outbox to `match.labels`: every label that is due, exactly once, in the order of the votes.

A crash may come between Kafka's commit and our own note of it. So whatever is marked as being sent when the page starts
is looked for in the topic before anything is sent: the transactional id has fenced the predecessor by then, and the
intake has read the labels to their end. What it found there it has marked as published; the rest was never committed.

Non-goal: reading the topic (`intake`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.events import event_headers, format_time
from schemas.label import Label
from worker.review.database import Database
from worker.stream.backoff import Log
from worker.stream.errors import BatchAborted, BatchRejected, ProducerReplaced
from worker.stream.records import Outgoing

# Labels of one transaction. People are slow; only an import fills one.
BATCH = 200


class Transactions(Protocol):
    """The part of `worker.stream.publisher.Publisher` that is used."""

    def open(self) -> None: ...

    def commit(self, outgoing: Sequence[Outgoing]) -> None: ...


@dataclass(frozen=True)
class Due:
    """A row of the outbox."""

    seq: int
    label_id: str
    pair_id: str
    value: bytes

    def outgoing(self, topic: str) -> Outgoing:
        headers = event_headers(Label.model_validate_json(self.value))
        return Outgoing(topic, self.pair_id.encode(), self.value, list(headers))


class Outbox:
    """Sends what is due. Not thread-safe: one owner."""

    def __init__(
        self, database: Database, transactions: Transactions, topic: str, clock: Callable[[], datetime], log: Log
    ) -> None:
        self._database = database
        self._transactions = transactions
        self._topic = topic
        self._clock = clock
        self._log = log

    def recover(self, read_labels: Callable[[], None]) -> int:
        """Settle what a predecessor left in doubt; returns how many labels it never published.

        `read_labels` reads `match.labels` to its end into the database.
        """
        self._transactions.open()
        read_labels()
        with self._database.write() as connection:
            left = connection.execute("UPDATE outbox SET state = 'waiting' WHERE state = 'sending'").rowcount
        if left:
            self._log.warning("labels_not_published_before", labels=left)
        return left

    def publish(self, read_labels: Callable[[], None]) -> int:
        """Send every label that is due now; returns how many. Waits while Kafka is gone (and nobody else does)."""
        sent = 0
        while batch := self._take():
            try:
                self._transactions.commit([each.outgoing(self._topic) for each in batch])
            except BatchAborted as error:
                self._log.warning("labels_aborted", labels=len(batch), detail=str(error))
                self._mark(batch, "waiting")
                continue
            except ProducerReplaced as error:
                # Whether it was committed only the topic can tell.
                self._log.warning("labels_in_doubt", labels=len(batch), detail=str(error))
                self.recover(read_labels)
                continue
            except BatchRejected:
                # Cannot be the size: a note is capped. Left as it is, a restart would try again.
                self._mark(batch, "waiting")
                raise
            self._mark(batch, "published")
            sent += len(batch)
        return sent

    def _take(self) -> list[Due]:
        """Mark what is due as being sent, so that undo leaves it alone. In order: none overtakes an earlier one."""
        with self._database.write() as connection:
            rows = connection.execute(
                "SELECT * FROM outbox WHERE state = 'waiting' ORDER BY seq LIMIT ?", (BATCH,)
            ).fetchall()
            now = format_time(self._clock())
            due: list[Due] = []
            for row in rows:
                if row["due_at"] > now:
                    break
                due.append(Due(row["seq"], row["label_id"], row["pair_id"], bytes(row["value"])))
            connection.executemany("UPDATE outbox SET state = 'sending' WHERE seq = ?", [(each.seq,) for each in due])
        return due

    def _mark(self, batch: Sequence[Due], state: str) -> None:
        with self._database.write() as connection:
            connection.executemany("UPDATE outbox SET state = ? WHERE seq = ?", [(state, each.seq) for each in batch])


def backlog(database: Database) -> int:
    """Labels that have not left yet, those within the grace period included."""
    with database.read() as connection:
        (left,) = connection.execute(
            "SELECT count(*) FROM outbox WHERE state IN ('waiting', 'sending')"
        ).fetchone()  # fmt: skip
    return int(left)
