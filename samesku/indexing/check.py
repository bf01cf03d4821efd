"""Looking: the topics read to where they end now, the index beside them, and again at what seems wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from samesku.indexing.compare import Fault, link_faults, offer_fault
from samesku.indexing.truth import Truth
from schemas import topics
from schemas.decision import MatchDecision
from schemas.offer import split_pair
from schemas.sections import KafkaSettings
from worker.blocking import Index
from worker.replay import log
from worker.replay.span import Point, Span
from worker.stream.records import Record

CHUNK = 500
Say = Callable[[str, int, int], None]
"""Progress: what is done, how much more of it, and how much there is in all."""


@dataclass(frozen=True)
class Report:
    """What a check has found. `rounds`: how often the index was looked at until the faults no longer became fewer."""

    offers: int
    pairs: int
    faults: list[Fault]
    rounds: int


class IndexCheck:
    """Compares one index with the topics of the same settings, beside running workers.

    `index` has adopted its generation. `rounds`: how often at most it is looked again at what seems wrong, after
    `pause` seconds each: a change that is being worked on is in the index before it is in the topics.
    """

    def __init__(
        self, kafka: KafkaSettings, index: Index, rounds: int = 5, pause: float = 2.0,
        say: Say = lambda what, more, total: None, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._kafka = kafka
        self._index = index
        self._rounds = rounds
        self._pause = pause
        self._say = say
        self._sleep = sleep
        self._truth = Truth()
        self._spans: dict[str, Span] = {}

    def run(self) -> Report:
        """Raises worker.replay.errors.ReplayError, worker.blocking.BlockingError and redis errors."""
        # The index first: what it holds that the topics do not is then looked at again, with more of the topics read.
        known = set(self._index.keys())
        self._read()
        keys = sorted(known | self._truth.offers.keys() | _ends(self._truth.links()))
        faults, rounds = self._look(keys), 1
        while faults and rounds < self._rounds:
            self._sleep(self._pause)
            self._read()
            faults, rounds = self._look(sorted({fault.key for fault in faults})), rounds + 1
        return Report(len(self._truth.offers), len(self._truth.links()), faults, rounds)

    def _read(self) -> None:
        self._truth.feed_offers(self._new(topics.OFFERS))
        self._truth.feed_decisions(self._new(topics.DECISIONS))

    def _new(self, name: str) -> Iterator[Record]:
        """What has come to a topic since it was last read."""
        topic = self._kafka.topic(name)
        last = self._spans.get(name)
        if last is None:
            span = log.resolve(self._kafka, topic, Point(edge="start"), Point(edge="end"))
        else:
            span = last.after(log.ends_of(self._kafka, topic))
        self._spans[name] = span
        return log.read(self._kafka, span, passed=lambda count: self._say(topic, count, span.size), gone="earliest")

    def _look(self, keys: Sequence[str]) -> list[Fault]:
        expected = _by_offer(self._truth.links())
        faults = []
        for start in range(0, len(keys), CHUNK):
            chunk = keys[start : start + CHUNK]
            stored = self._index.read(chunk)
            links = self._index.links_many(chunk)
            for key, offer, found in zip(chunk, stored, links, strict=True):
                if (fault := offer_fault(key, self._truth.offers.get(key), offer)) is not None:
                    faults.append(fault)
                faults += link_faults(key, expected.get(key, {}), found)
            self._say("index", len(chunk), len(keys))
        return faults


def _by_offer(links: Mapping[str, MatchDecision]) -> dict[str, dict[str, MatchDecision]]:
    """Linking decisions by offer and other offer; each is named twice."""
    found: dict[str, dict[str, MatchDecision]] = {}
    for pair, made in links.items():
        first, second = split_pair(pair)
        found.setdefault(first, {})[second] = made
        found.setdefault(second, {})[first] = made
    return found


def _ends(pairs: Iterable[str]) -> set[str]:
    return {key for pair in pairs for key in split_pair(pair)}
