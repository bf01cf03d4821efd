"""What the live system says of two offers: the index as it stands, and the answers to their last changes.

Each part may be missing (no Redis, no broker): then the page says so and goes on with what there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import redis
from pydantic import ValidationError

from samesku.matches.log import LogUnreadable, bounds, read_messages
from schemas.answer import Answer
from schemas.decision import MatchDecision
from schemas.events import EventError
from schemas.offer import Offer, split_pair
from schemas.partitioner import partition_of
from schemas.settings import Settings
from schemas.topics import ANSWERS, DECISIONS
from worker.audit.absence import Absence, absence, known_offers
from worker.audit.contents import Contents
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS as DECISIONS_TABLE
from worker.blocking import BlockingError, Index
from worker.replay.span import Span
from worker.stream.errors import StreamError
from worker.stream.startup import look_around, open_index


@dataclass
class Live:
    """Connections to what could be reached; `notes` say what could not, and what follows from that."""

    settings: Settings
    notes: list[str] = field(default_factory=list)

    def index(self) -> Index | None:
        """The live index, adopted."""
        if self.settings.redis.url is None or not self.settings.kafka.bootstrap_servers:
            self.notes.append("the live index was not asked: redis.url or kafka.bootstrap_servers is not set")
            return None
        try:
            index = open_index(self.settings)
            index.adopt(f"{look_around(self.settings).generation}-{index.format}")
        except (redis.RedisError, BlockingError, StreamError) as error:
            self.notes.append(f"the live index was not asked: {error}")
            return None
        return index

    def answers(self, keys: tuple[str, ...], progress: Callable[[int], None] = lambda done: None) -> dict[str, Answer]:
        """The last answer to a change of each offer, if `match.answers` still has it (30 days by default)."""
        if not self.settings.kafka.bootstrap_servers:
            self.notes.append("match.answers was not read: kafka.bootstrap_servers is not set")
            return {}
        found: dict[str, Answer] = {}
        wanted = {key.encode() for key in keys}
        try:
            span = _share(bounds(self.settings.kafka, ANSWERS), wanted)
            for record in read_messages(self.settings.kafka, span, wanted.__contains__, progress):
                answer = Answer.model_validate_json(record.value or b"")
                if answer.key is not None:
                    found[answer.key] = answer
        except (LogUnreadable, ValidationError, EventError) as error:
            self.notes.append(f"match.answers was not read: {error}")
        return found

    def unstored(self, store: AuditStore, pair: str) -> list[MatchDecision]:
        """Decisions of the pair that the topic holds and the store does not yet."""
        if not self.settings.kafka.bootstrap_servers:
            return []
        try:
            span = bounds(self.settings.kafka, DECISIONS)
            ends = {number: store.end(DECISIONS_TABLE, number) for number in span.ends}
            starts = {number: max(start, ends[number]) for number, start in span.starts.items()}
            ahead = _share(Span(span.topic, starts, span.ends), {pair.encode()})
            records = read_messages(self.settings.kafka, ahead, lambda key: key == pair.encode())
            return [MatchDecision.model_validate_json(record.value or b"") for record in records]
        except (LogUnreadable, ValidationError, EventError) as error:
            self.notes.append(f"what is newer than the store was not read: {error}")
            return []


def _share(span: Span, keys: set[bytes]) -> Span:
    """The partitions in which records with these keys lie."""
    count = len(span.ends)
    numbers = {partition_of(key, count) for key in keys}
    return Span(
        span.topic,
        {number: start for number, start in span.starts.items() if number in numbers},
        {number: end for number, end in span.ends.items() if number in numbers},
    )


def why_not(store: AuditStore, live: Live, pair: str) -> tuple[Absence, dict[str, Offer]]:
    """Why a pair has no decision, and the present contents of its offers by key. Raises StoreChanged."""
    keys = split_pair(pair)
    contents = Contents(store)
    index = live.index()
    versions = {key: contents.of_offer(key) for key in keys}
    answers = live.answers(keys)
    known = known_offers(index, versions, answers)
    present: dict[str, Offer] = {}
    if index is not None:
        present = {
            stored.key: stored.offer for stored in index.read(list(keys)) if stored is not None and not stored.deleted
        }
    for each in known:
        if each.state == "live" and each.key not in present and each.digest is not None:
            present.update({offer.key: offer for offer in contents.get([each.digest]).values()})
    linked = index is not None and keys[1] in index.links(keys[0])
    return absence(index, (known[0], known[1]), present, live.settings.blocking.k, linked), present
