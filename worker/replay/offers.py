"""Offer contents of another time, by digest: from the audit store, else from the topics. None is ever guessed.

`catalog.offers` keeps every content for a week at least (its compaction lag) and the last one for ever;
`catalog.changes` keeps a week. The audit store keeps what was judged for as long as it is told to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import orjson
from pydantic import ValidationError

from schemas import topics
from schemas.change import parse_change
from schemas.decision import DELETED_DIGEST, Side
from schemas.events import EventError
from schemas.offer import Offer
from schemas.offer_record import OfferRecord
from schemas.sections import KafkaSettings
from worker.replay import log
from worker.replay.span import Point, Span
from worker.stream.records import Record

# Digests asked for in one call.
ASK = 1_000


class OfferSource(Protocol):
    """Where contents are; `worker.audit.contents.Contents` is one."""

    def get(self, digests: Collection[str]) -> Mapping[str, Offer]:
        """Contents by digest; missing and erased ones are left out."""
        ...

    def erased(self, digests: Collection[str]) -> Collection[str]:
        """Those that were erased on request: no other source may be asked for them."""
        ...


class TopicOffers:
    """The contents that Kafka still holds of these sides. Reads both topics once, with the first `get`."""

    def __init__(
        self, kafka: KafkaSettings, sides: Iterable[Side], passed: Callable[[int], None] = lambda n: None
    ) -> None:
        self._kafka = kafka
        self._passed = passed
        self._versions: dict[str, set[int]] = {}
        self._wanted: set[str] = set()
        for side in sides:
            if side.digest != DELETED_DIGEST:
                self._wanted.add(side.digest)
                self._versions.setdefault(side.key, set()).add(side.effective_version)
        self._found: dict[str, Offer] | None = None

    def get(self, digests: Collection[str]) -> Mapping[str, Offer]:
        """See `OfferSource`. Raises LogUnreadable."""
        if self._found is None:
            self._found = {}
            for offer in self._read():
                self._found.setdefault(offer.digest(), offer)
        return {digest: self._found[digest] for digest in digests if digest in self._found}

    def erased(self, digests: Collection[str]) -> Collection[str]:
        """None: a topic forgets whole records, and says nothing of it."""
        return ()

    def _read(self) -> Iterator[Offer]:
        left = set(self._wanted)
        for record in self._records(topics.OFFERS, None):
            offer = stored_offer(record, left)
            if offer is not None:
                left.discard(offer.digest())
                yield offer
        if left:
            for record in self._records(topics.CHANGES, self._versions):
                offer = changed_offer(record)
                if offer is not None and offer.digest() in left:
                    left.discard(offer.digest())
                    yield offer

    def _records(self, topic: str, versions: Mapping[str, Collection[int]] | None) -> Iterator[Record]:
        """Records of our keys; with `versions` only from the lowest to the highest offset that one of them has."""
        span = log.resolve(self._kafka, self._kafka.topic(topic), Point(edge="start"), Point(edge="end"))
        if versions is not None:
            # The effective version is an offset, but of which partition only the partitioner knows: all are looked at.
            low, high = min(map(min, versions.values())), max(map(max, versions.values())) + 1
            span = Span(
                span.topic,
                {number: min(max(low, start), span.ends[number]) for number, start in span.starts.items()},
                {number: max(min(high, end), span.starts[number]) for number, end in span.ends.items()},
            )
        ours = {key.encode() for key in self._versions}
        yield from log.read(self._kafka, span, lambda key: key in ours, self._passed)


def stored_offer(record: Record, wanted: Collection[str]) -> Offer | None:
    """The offer of a record of `catalog.offers`, if its content is wanted."""
    if record.value is None or orjson.loads(record.value).get("digest") not in wanted:
        return None
    offer = OfferRecord.model_validate_json(record.value).offer
    return offer if offer.digest() in wanted else None


def changed_offer(record: Record) -> Offer | None:
    """The offer of a record of `catalog.changes`; None for a delete, and for what no worker could read either."""
    try:
        return parse_change(record.key, record.value).offer
    except (EventError, ValidationError):
        return None


def fetch(sources: Sequence[OfferSource], digests: Iterable[str], keep: Callable[[Iterable[Offer]], None]) -> int:
    """Hand every content that one of the sources has to `keep`, asking them in turn; returns how many are missing.

    What one source says was erased counts as missing, though another may still hold it.
    """
    left = {digest for digest in digests if digest != DELETED_DIGEST}
    gone = {digest for source in sources for digest in source.erased(left)}
    left -= gone
    for source in sources:
        asked = sorted(left)
        for start in range(0, len(asked), ASK):
            found = source.get(asked[start : start + ASK])
            # A content that has another digest than it is kept under is not the one that was judged.
            sound = {digest: offer for digest, offer in found.items() if offer.digest() == digest}
            keep(sound.values())
            left -= sound.keys()
        if not left:
            break
    return len(left | gone)
