"""Labels leave once and in order, whatever fails in between."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schemas.label import Label
from tests.worker.review.making import NOW, Clock, ballot, review_task
from worker.review import tasks, voting
from worker.review.database import Database
from worker.review.publishing import Outbox, backlog
from worker.stream.errors import BatchAborted, ProducerReplaced
from worker.stream.records import Outgoing


class Silent:
    def info(self, event: str, **fields: object) -> None: ...

    warning = error = info


class Topic:
    """A topic behind transactions that fail as they are told: before or after they are committed."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.failures: list[tuple[bool, Exception]] = []

    def open(self) -> None: ...

    def commit(self, outgoing: Sequence[Outgoing]) -> None:
        committed, error = self.failures.pop(0) if self.failures else (True, None)
        if committed:
            self.records.extend(outgoing)
        if error is not None:
            raise error

    def labels(self) -> list[Label]:
        return [Label.model_validate_json(record.value or b"") for record in self.records]

    def read_into(self, database: Database) -> None:
        with database.write() as connection:
            for offset, label in enumerate(self.labels()):
                tasks.take_label(connection, label, 0, offset)


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def outbox(database: Database, topic: Topic, clock: Clock) -> Outbox:
    with database.write() as connection:
        for number in range(5):
            tasks.take_review(connection, review_task(number), 0)
            voting.cast(connection, NOW, ballot(f"d{number}", "anna", "match"), 10)
    return Outbox(database, topic, "match.labels", clock, Silent())


def decisions(topic: Topic) -> list[str | None]:
    return [label.decision_id for label in topic.labels()]


ALL = [f"d{number}" for number in range(5)]


def test_nothing_leaves_within_the_grace_period(outbox: Outbox, topic: Topic, clock: Clock, database: Database) -> None:
    assert outbox.publish(lambda: None) == 0
    assert backlog(database) == 5
    clock.forward(11)
    assert outbox.publish(lambda: None) == 5
    assert (decisions(topic), backlog(database)) == (ALL, 0)
    assert {record.key for record in topic.records[:1]} == {review_task(0).pair_id.encode()}


@pytest.mark.parametrize(
    "failure", [(False, BatchAborted("a")), (False, ProducerReplaced("b")), (True, ProducerReplaced("c"))]
)
def test_a_failed_transaction_neither_loses_nor_doubles(
    outbox: Outbox, topic: Topic, clock: Clock, database: Database, failure: tuple[bool, Exception]
) -> None:
    clock.forward(11)
    topic.failures.append(failure)
    outbox.publish(lambda: topic.read_into(database))
    assert (decisions(topic), backlog(database)) == (ALL, 0)


@pytest.mark.parametrize("committed", [False, True])
def test_a_crash_between_commit_and_note_is_settled_at_the_next_start(
    outbox: Outbox, topic: Topic, clock: Clock, database: Database, committed: bool
) -> None:
    clock.forward(11)
    topic.failures.append((committed, KeyboardInterrupt()))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        outbox.publish(lambda: None)
    successor = Outbox(database, topic, "match.labels", clock, Silent())
    assert successor.recover(lambda: topic.read_into(database)) == (0 if committed else 5)
    successor.publish(lambda: None)
    assert (decisions(topic), backlog(database)) == (ALL, 0)


def test_what_is_being_sent_cannot_be_taken_back_silently(outbox: Outbox, clock: Clock, database: Database) -> None:
    clock.forward(11)
    outbox._take()
    with database.write() as connection:
        assert voting.undo(connection, clock(), "anna").published
