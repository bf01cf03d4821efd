"""What `--publish` touches: the live index, and `match.decisions` with `match.review`, in transactions of its own.

A portion becomes visible as a whole or not at all. Before each portion the log is read to its end, so that labels and
newer decisions that came meanwhile are seen; after a crash, or a commit whose outcome only the broker knows, that same
reading finds what was published, so that nothing is published twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import redis
from confluent_kafka import Consumer, TopicPartition

from schemas import topics
from schemas.decision import MatchDecision
from schemas.settings import Settings
from worker.blocking import BlockingError
from worker.replay.again import Again
from worker.replay.errors import ReplayError
from worker.replay.folder import Run
from worker.replay.planning import Progress, follow_standing
from worker.replay.publishing import PUBLISHED, Publishing
from worker.replay.store import Inputs
from worker.stream.backoff import Log
from worker.stream.clients import reader_config
from worker.stream.errors import BatchAborted, BatchRejected, ProducerReplaced
from worker.stream.outputs import Outputs
from worker.stream.publisher import Publisher
from worker.stream.startup import look_around, open_index

# A portion whose transaction is aborted so often will not be taken the next time either.
ATTEMPTS = 5


class LivePublisher:
    """Publishes portions of pairs; use it as a context. `now` gives UTC."""

    def __init__(
        self, settings: Settings, run: Run, again: Again, inputs: Inputs, owns: Callable[[str], bool],
        progress: Progress, log: Log, now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._run = run
        self._inputs = inputs
        self._progress = progress
        self._now = now
        self._index = open_index(settings)
        rounds = 1 + settings.stream.recheck_rounds
        self._publishing = Publishing(self._index, again, run.name, rounds, owns, self._ours)
        self._publisher = Publisher(settings, "replay", run.name, log)
        self._outputs = Outputs(settings.kafka.topic_prefix)

    def __enter__(self) -> Self:
        """Look at the index and at everything that stands. Raises ReplayError before anything is published."""
        self._adopt()
        self._publisher.open()
        follow_standing(self._settings.kafka, self._inputs, self._ours, self._progress)
        for held in self._inputs.all_standing():
            self._publishing.check(held)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._publisher.close()

    def publish(self, pairs: Sequence[MatchDecision], counts: Counter[str]) -> list[MatchDecision]:
        """Judge these pairs as they are now, and publish. Returns the decisions of this run, committed.

        Those of an earlier session of this run that was killed are among them. Raises ReplayError.
        """
        told: Counter[str] = Counter()
        for _ in range(ATTEMPTS):
            told.clear()
            follow_standing(self._settings.kafka, self._inputs, self._ours)
            standing = [held for each in pairs if (held := self._inputs.standing(each.pair_id)) is not None]
            before = [held for held in standing if self._ours(held)]
            try:
                portion = self._publishing.judge(standing, told)
                if portion.decisions:
                    records = self._outputs.decided(portion.decisions, portion.offers, self._now())
                    self._publisher.commit(list(records))
                self._index.settle_many(portion.settles)
                self._index.unlink_many(portion.unlinks)
            except (BatchAborted, ProducerReplaced):
                continue
            except BatchRejected as rejected:
                raise ReplayError(
                    f"the broker refuses the decisions about {pairs[0].pair_id}: {rejected}"
                ) from rejected
            except (BlockingError, redis.RedisError) as lost:
                raise ReplayError(f"the index is gone ({lost}): give the same command again once it is back") from lost
            told[PUBLISHED] += len(portion.decisions)
            counts.update(told)
            self._inputs.note_offers(portion.offers.values())
            self._inputs.commit()
            return [*before, *portion.decisions]
        raise ReplayError(
            f"the transaction was aborted {ATTEMPTS} times; look at the broker, then give the same command"
        )

    def _ours(self, made: MatchDecision) -> bool:
        """Whether a decision came from this very run."""
        return made.replay == self._run.name and made.decided_at >= self._run.created_at

    def _adopt(self) -> None:
        around = look_around(self._settings)
        try:
            self._index.start_check()
            self._index.adopt(f"{around.generation}-{self._index.format}")
            applied = self._index.applied()
        except (BlockingError, redis.RedisError) as lost:
            raise ReplayError(
                f"--publish works on the live index, which is not there ({lost}); start a worker, or look at redis.url"
            ) from lost
        for partition, committed in self._committed(around.partitions).items():
            if applied.get(partition, 0) < committed:
                raise ReplayError(
                    f"the live index lacks changes of partition {partition}: it has them up to "
                    f"{applied.get(partition, 0)} of {committed}; start a worker, which restores it"
                )

    def _committed(self, partitions: int) -> dict[int, int]:
        """The committed offsets of the workers' group; asking joins nothing."""
        kafka = self._settings.kafka
        consumer = Consumer({**reader_config(kafka), "group.id": kafka.group_id, "enable.auto.commit": False})
        try:
            topic = kafka.topic(topics.CHANGES)
            asked = [TopicPartition(topic, number) for number in range(partitions)]
            found = consumer.committed(asked, timeout=kafka.request_timeout_s)
        finally:
            consumer.close()
        return {each.partition: each.offset for each in found if each.offset >= 0}
