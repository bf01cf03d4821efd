"""What the topics say that the index must hold: each offer's last write, and the decision that stands for each pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from schemas.decision import MatchDecision, supersedes
from worker.blocking.records import Upsert
from worker.stream.pairs import LINKING
from worker.stream.records import Record
from worker.stream.restore import as_write


@dataclass(frozen=True, slots=True)
class Held:
    """The last write of an offer: its effective version, and its content's digest ("" once it was deleted)."""

    version: int
    digest: str


@dataclass
class Truth:
    """Offers by key and standing decisions by pair; both may be fed in parts, each in the topic's order."""

    offers: dict[str, Held] = field(default_factory=dict)
    decisions: dict[str, MatchDecision] = field(default_factory=dict)

    def feed_offers(self, records: Iterable[Record]) -> set[str]:
        """Records of `catalog.offers`; returns the keys that they speak of. Raises pydantic.ValidationError."""
        seen = set()
        for record in records:
            if (write := as_write(record)) is None:
                continue
            key, digest = (write.offer.key, write.offer.digest()) if isinstance(write, Upsert) else (write.key, "")
            held = self.offers.get(key)
            if held is None or write.effective_version >= held.version:
                self.offers[key] = Held(write.effective_version, digest)
            seen.add(key)
        return seen

    def feed_decisions(self, records: Iterable[Record]) -> set[str]:
        """Records of `match.decisions`; returns the pairs that they speak of. Raises pydantic.ValidationError."""
        seen = set()
        for record in records:
            if record.value is None:
                continue
            made = MatchDecision.model_validate(orjson.loads(record.value))
            held = self.decisions.get(made.pair_id)
            if held is None or supersedes(made, held):
                # The rationale is the bulk of a decision, and nothing here needs it.
                self.decisions[made.pair_id] = made.model_copy(update={"rationale": None})
            seen.add(made.pair_id)
        return seen

    def links(self) -> dict[str, MatchDecision]:
        """The standing decisions that link their offers."""
        return {pair: made for pair, made in self.decisions.items() if made.verdict in LINKING}
