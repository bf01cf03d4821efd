"""The buffer between poll and work, and how a batch is cut from it.

Intent: records stay here until the transaction that holds their answers is committed, in the order of their
partition. An aborted batch is simply put back at the head, which rewinds every partition of it at once, without a
seek; a batch that keeps failing is halved down to the one event at fault (`BatchSize`).
Non-goals: polling, and deciding what failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import takewhile
from typing import Generic, TypeVar

from worker.stream.records import LookedAt

R = TypeVar("R", bound=LookedAt)


class Buffer(Generic[R]):
    """Polled records that are not yet answered. Invariant: offsets of one partition ascend from head to tail."""

    def __init__(self) -> None:
        self._records: deque[R] = deque()

    def __len__(self) -> int:
        return len(self._records)

    def append(self, record: R) -> None:
        self._records.append(record)

    def put_back(self, records: Sequence[R]) -> None:
        """Return a batch that was cut but not committed: it is the next one again."""
        self._records.extendleft(reversed(records))

    def drop_partitions(self, partitions: Collection[int]) -> int:
        """Forget the records of partitions that are no longer ours; returns how many."""
        before = len(self._records)
        self._records = deque(record for record in self._records if record.partition not in partitions)
        return before - len(self._records)

    def clear(self) -> None:
        self._records.clear()

    def leading(self, wanted: Callable[[R], bool]) -> int:
        """How many records there are before the first that is not wanted."""
        return sum(1 for _ in takewhile(wanted, self._records))

    def cut(self, limit: int) -> list[R]:
        """Take up to `limit` records from the head, ending before the second of one offer (of labels: one pair).

        One offer occurs at most once in a batch, so that indexing the whole batch first cannot run ahead of an answer.
        """
        batch: list[R] = []
        seen: set[bytes] = set()
        while self._records and len(batch) < limit:
            name = self._records[0].identity
            if name is not None and name in seen:
                break
            if name is not None:
                seen.add(name)
            batch.append(self._records.popleft())
        return batch


class BatchSize:
    """How many changes the next batch may hold: halved at a failure, doubled after a success.

    So a batch of n with one bad change costs about 2*log2(n) extra attempts, and the bad change ends up alone; what is
    still failing after `poison_attempts` attempts alone is `poison`.
    """

    def __init__(self, maximum: int, poison_attempts: int) -> None:
        if maximum < 1 or poison_attempts < 1:
            raise ValueError(f"needs at least one change and one attempt, not {maximum} and {poison_attempts}")
        self._maximum = maximum
        self._poison_attempts = poison_attempts
        self.limit = maximum
        self.failures_alone = 0

    @property
    def alone(self) -> bool:
        """Whether the next batch is one change that already failed by itself."""
        return self.failures_alone > 0

    @property
    def poison(self) -> bool:
        """Whether that change has had its chances."""
        return self.failures_alone >= self._poison_attempts

    @property
    def given_up(self) -> bool:
        """Whether even setting it aside properly has failed."""
        return self.failures_alone > self._poison_attempts

    def failed(self, size: int) -> None:
        """A batch of `size` changes failed."""
        self.limit = max(1, size // 2)
        self.failures_alone = self.failures_alone + 1 if size == 1 else 0

    def succeeded(self) -> None:
        self.limit = min(self._maximum, self.limit * 2)
        self.failures_alone = 0


def next_offsets(batch: Iterable[LookedAt]) -> dict[int, int]:
    """What to commit once a batch is answered: per partition, the last offset plus one."""
    ends: dict[int, int] = {}
    for incoming in batch:
        ends[incoming.partition] = max(ends.get(incoming.partition, 0), incoming.offset + 1)
    return ends
