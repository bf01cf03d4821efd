"""One batch at work: indexed as a whole, then judged change by change, in steps that the loop may interrupt.

Intent: between two steps nothing is half done, so there the loop polls the consumer, sees a revocation or a signal, and
may finish or abandon the batch. Until the commit the only traces are idempotent ones in the index. Non-goal: Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.decision import DELETED_DIGEST, MatchDecision
from schemas.events import BadEvent, Reason
from worker.blocking.records import Delete, Upsert, Written
from worker.stream.batch import next_offsets
from worker.stream.judging import Judging
from worker.stream.outputs import Outputs, Result
from worker.stream.pairs import Member
from worker.stream.validate import Incoming


@dataclass(frozen=True, slots=True)
class Candidates:
    """How many candidates a change gets, and why: the changes that wait in this worker's partitions."""

    requested: int
    effective: int
    lag: int | None = None


class Work:
    """The work on one batch. `results` grows by one a step, in the order of `batch`."""

    def __init__(
        self,
        batch: Sequence[Incoming],
        judging: Judging,
        outputs: Outputs,
        candidates: Candidates,
        now: Callable[[], datetime],
        *,
        isolate: bool = False,
        poison: str | None = None,
    ) -> None:
        """`candidates` says how many each change gets. With `isolate` a single failing change is judged
        candidate by candidate; with `poison` (why it failed) it is set aside instead of being processed."""
        self.batch = batch
        self.results: list[Result] = []
        self.committed = False
        self._judging = judging
        self._outputs = outputs
        self._candidates = candidates
        self._now = now
        self._isolate = isolate
        self._poison = poison
        self._made: dict[str, MatchDecision] = {}

    def index(self) -> list[Written | None]:
        """Write every valid change of the batch into the index; None for records that cannot be used."""
        writes: list[Upsert | Delete] = []
        for incoming in self.batch:
            change = incoming.change
            if change is None:
                continue
            if change.offer is not None and self._poison is None:
                writes.append(Upsert(change.offer, incoming.offset))
            else:
                # A change that cannot be processed would make every neighbour's judgement fail as well, so its offer is
                # taken out, as by a delete.
                writes.append(Delete(change.key, incoming.offset, change.version))
        written = iter(self._judging.index.write_many(writes) if writes else [])
        outcomes = [next(written) if incoming.change is not None else None for incoming in self.batch]
        # Before the commit, so that in a whole index the applied offsets are never behind the committed ones.
        self._judging.index.set_applied(next_offsets(self.batch))
        return outcomes

    def steps(self) -> Iterator[None]:
        """Do everything but publish; yields after the indexing and after each change."""
        written = self.index()
        yield
        for incoming, outcome in zip(self.batch, written, strict=True):
            result = self._one(incoming, outcome)
            self._made |= {made.pair_id: made for made in result.decisions}
            self.results.append(result)
            yield

    def _one(self, incoming: Incoming, written: Written | None) -> Result:
        record, change = incoming.record, incoming.change
        if change is None or written is None:
            refusal = incoming.refusal or BadEvent(Reason.POISON, "neither a change nor a reason")
            return self._outputs.refused(record, refusal, self._now())
        if not written.applied:
            return self._outputs.superseded(record, change, written, self._now())
        if change.offer is None or self._poison is not None:
            gone = Member(change.key, record.offset, DELETED_DIGEST, None, change.version)
            followed = self._judging.delete(gone, record.position)
            poison = None if self._poison is None else BadEvent(Reason.POISON, self._poison)
            return self._outputs.deleted(record, change, written, followed, self._now(), poison)
        ask = self._candidates
        changed = Member(change.key, record.offset, change.offer.digest(), change.offer, change.version)
        k = 0 if change.index_only else ask.effective
        followed = self._judging.upsert(changed, record.position, k, self._made, self._isolate)
        return self._outputs.upserted(
            record, change, written, followed, self._now(),
            k_requested=ask.requested, k_effective=ask.effective, lag=ask.lag,
        )  # fmt: skip

    def settle(self) -> None:
        """After the commit: what stands now is recorded with the links, and what no longer does is removed."""
        settles = [settle for result in self.results for settle in result.settles]
        unlinks = [unlink for result in self.results for unlink in result.unlinks]
        if settles:
            self._judging.index.settle_many(settles)
        if unlinks:
            self._judging.index.unlink_many(unlinks)
