"""From records to windows: each committed record is counted once, whatever Faust does with offsets.

The partition's mark in Redis is the truth, and it moves from one record to the next without a step left out
(`apply.lua`). Faust delivers at least once and in order within a generation of the group, as a rule; where a record
comes whose predecessors nobody has counted, they are read here and counted first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from redis import exceptions as redis_errors

from schemas import topics
from schemas.monitor_settings import MonitorSettings
from worker.monitor.facts import INPUTS, Facts, Unreadable, facts_of
from worker.monitor.reader import Found
from worker.monitor.store import MonitorStore, Outcome, Place
from worker.monitor.vocabulary import Vocabulary
from worker.stream.backoff import Log, Patience
from worker.stream.errors import Unavailable
from worker.stream.metrics import MONITOR_EVENTS, MONITOR_FETCHED, Metrics

T = TypeVar("T")

# A gap that stays one after it was filled: somebody moves the marks. Never seen; it must not become an endless loop.
ATTEMPTS = 5


class ReadsRanges(Protocol):
    """The part of `CommittedReader` that counting uses."""

    def read(self, topic: str, partition: int, start: int, stop: int) -> list[Found]: ...


class Uncountable(RuntimeError):
    """A partition's mark does not hold still: the process must end and begin anew."""


def asking(step: Callable[[], T]) -> T:
    """`step`, with the failures of Redis that pass as Unavailable."""
    try:
        return step()
    except (redis_errors.ConnectionError, redis_errors.TimeoutError, redis_errors.ReadOnlyError) as error:
        raise Unavailable("redis", str(error)) from error


class Counter:
    """Counts the records of one process. Not thread-safe: one record at a time."""

    def __init__(
        self,
        store: MonitorStore,
        reader: ReadsRanges,
        settings: MonitorSettings,
        topic_names: dict[str, str],
        vocabulary: Vocabulary | None,
        patience: Patience,
        metrics: Metrics,
        log: Log,
    ) -> None:
        """`topic_names`: ours by full name."""
        self._store = store
        self._reader = reader
        self._settings = settings
        self._names = topic_names
        self._vocabulary = vocabulary
        self._patience = patience
        self._metrics = metrics
        self._log = log
        # Up to where each partition was read in this generation.
        self._read: dict[str, tuple[int, int]] = {}

    @property
    def topics(self) -> list[str]:
        """Full names of what is counted."""
        return list(self._names)

    def forget(self) -> None:
        """The group rebalances: what comes next need not follow on what came before."""
        self._read.clear()

    def take(self, place: Place, value: bytes | None, generation: int) -> Outcome:
        """Count one record, and before it those that were passed over. Waits while Redis or Kafka are gone.

        Raises UnknownMajorVersion and Uncountable; then the record is not counted and must not be acknowledged.
        """
        facts = self._facts(place, value)
        held = self._read.get(place.name)
        known = held[1] + 1 if held is not None and held[0] == generation and held[1] < place.offset else place.offset
        outcome = self._patience.call(lambda: asking(lambda: self._apply(place, known, facts)))
        self._read[place.name] = (generation, max(place.offset, held[1] if held is not None else 0))
        self._metrics.add(MONITOR_EVENTS, inputs=INPUTS[self._names[place.topic]], result=outcome)
        return outcome

    def _apply(self, place: Place, known: int, facts: Facts | None) -> Outcome:
        for _ in range(ATTEMPTS):
            outcome, mark = self._store.apply(place, known, facts)
            if outcome != "gap":
                return outcome
            self._fill(place, mark + 1)
            # All data below has been read; whether this process or another one has counted it, the script says.
            known = mark + 1
        raise Uncountable(f"{place.name}: offset {place.offset} follows on nothing that was counted")

    def _fill(self, place: Place, start: int) -> None:
        """Count what is committed in [start, place.offset)."""
        known = start
        for found in self._reader.read(place.topic, place.partition, start, place.offset):
            at = Place(place.topic, place.partition, found.offset, found.at_ms)
            self._store.apply(at, known, self._facts(at, found.value))
            known = found.offset + 1
            self._metrics.add(MONITOR_FETCHED, inputs=INPUTS[self._names[place.topic]])

    def _facts(self, place: Place, value: bytes | None) -> Facts | None:
        try:
            return facts_of(self._names[place.topic], value, self._vocabulary)
        except Unreadable as error:
            inputs = INPUTS[self._names[place.topic]]
            self._metrics.add(MONITOR_EVENTS, inputs=inputs, result="unreadable")
            self._log.warning("unreadable", place=place.name, offset=place.offset, detail=str(error))
            return None


def topic_names(topic: Callable[[str], str]) -> dict[str, str]:
    """Our names of the monitored topics by their full names; `topic` gives a full name."""
    return {topic(name): name for name in (topics.DECISIONS, topics.OFFERS, topics.ANSWERS, topics.OPINIONS)}
