"""The whole pipeline over past changes: into an index of its own, with what comes out kept instead of published.

The parts are the worker's (`Work`, `Judging`, `Outputs`, `Buffer`, `validate`); the order in which partitions take
turns is that of the changes' times, so that the same range always gives the same decisions. Differences to a live
run: no lag, so that every change gets its full `k`, and batches are always full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import redis

from schemas.answer import Answer
from schemas.decision import MatchDecision
from schemas.events import UnknownMajorVersion
from worker.blocking import BlockingError, Index
from worker.replay.errors import ReplayError
from worker.replay.store import Inputs
from worker.stream.backoff import Log
from worker.stream.batch import BatchSize, Buffer
from worker.stream.judging import Judging
from worker.stream.outputs import Outputs
from worker.stream.records import Record
from worker.stream.restore import as_write, chunks
from worker.stream.validate import Incoming, validate
from worker.stream.work import Candidates, Work


@dataclass
class Came:
    """What came of a chunk of changes."""

    decisions: list[MatchDecision] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


class Pipeline:
    """Changes through a worker's steps. `rest` is called after each batch with the pairs that it judged."""

    def __init__(
        self, index: Index, judging: Judging, outputs: Outputs, name: str, k: int, batch: int, attempts: int,
        now: Callable[[], datetime], log: Log, rest: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._index = index
        self._judging = judging
        self._outputs = outputs
        self._name = name
        self._candidates = Candidates(k, k)
        self._batch = batch
        self._attempts = attempts
        self._now = now
        self._log = log
        self._rest = rest

    def begin(self, inputs: Inputs) -> int:
        """An empty index, then what the catalogue held before the range, unjudged; returns how many offers."""
        self._index.start_check()
        self._index.purge()
        self._index.initialise(self._name)
        count = 0
        for part in chunks(inputs.catalogue()):
            writes = [write for write in map(as_write, part) if write is not None]
            count += len(self._index.write_many(writes))
        return count

    def chunk(self, records: Sequence[Record]) -> Came:
        """What comes of these changes. Raises ReplayError, redis errors and BlockingError."""
        came = Came()
        buffer: Buffer[Incoming] = Buffer()
        for incoming in self._validated(records):
            buffer.append(incoming)
        size = BatchSize(self._batch, self._attempts)
        why = ""
        while len(buffer):
            batch = buffer.cut(size.limit)
            poison = why if size.poison and len(batch) == 1 else None
            work = Work(
                batch, self._judging, self._outputs, self._candidates, self._now, isolate=size.alone, poison=poison
            )
            try:
                for _ in work.steps():
                    pass
            except (redis.RedisError, BlockingError):
                raise
            except Exception as failure:
                why = f"{type(failure).__name__}: {failure}"
                self._log.error("replay_failed", changes=len(batch), first=str(batch[0].record), error=why)
                if size.given_up:
                    raise ReplayError(f"{batch[0].record} cannot even be set aside: {why}") from failure
                size.failed(len(batch))
                buffer.put_back(batch)
                continue
            work.settle()
            size.succeeded()
            for result in work.results:
                came.decisions += [made.model_copy(update={"replay": self._name}) for made in result.decisions]
                came.answers.append(result.answer)
            self._rest(sum(len(result.decisions) for result in work.results))
        return came

    def _validated(self, records: Sequence[Record]) -> Iterator[Incoming]:
        for record in records:
            try:
                yield validate(record)
            except UnknownMajorVersion as unknown:
                raise ReplayError(f"{record}: {unknown}") from unknown
