"""A batch of decisions, sampled: from what was read to the tasks that are to be published.

Intent: everything between the poll and the commit; state changes only in `Sampled`, which the loop takes over once it
is committed, so that an aborted batch leaves nothing. Reads the index (snapshots, labels, what was seen first), writes
there only idempotent notes. Non-goal: Kafka (`running`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from schemas.decision import MatchDecision
from schemas.events import read_event
from schemas.labeling import LabelingTask
from schemas.labeling_settings import LabelingSettings
from schemas.offer import Offer, split_key
from worker.blocking.records import HeldLabel, StoredOffer
from worker.labeling.budget import Budget, advance, spend
from worker.labeling.chances import base_rates, chances, draw, eligible
from worker.labeling.tasks import contents, task_of
from worker.stream.records import LookedAt, Record


class Index(Protocol):
    """The part of `worker.blocking.Index` that sampling uses."""

    def read(self, keys: Sequence[str]) -> list[StoredOffer | None]: ...

    def labels_many(self, keys: Sequence[str]) -> list[dict[str, list[HeldLabel]]]: ...


class FirstSeen(Protocol):
    """Where each thing was first seen in a partition (`worker.labeling.memory`)."""

    def note(self, partition: int, seen: Mapping[str, int]) -> dict[str, int]: ...


class Doubts(Protocol):
    """Which decisions somebody has called rather wrong by now (`worker.labeling.opinions`)."""

    def among(self, batch: Sequence[IncomingDecision]) -> Collection[str]:
        """Ids of decisions of the batch."""
        ...


class NoDoubts:
    """Nobody is asked."""

    def among(self, batch: Sequence[IncomingDecision]) -> Collection[str]:
        return ()


@dataclass(frozen=True, slots=True)
class IncomingDecision(LookedAt):
    """A record of `match.decisions`; `made` is None for one that cannot be read."""

    made: MatchDecision | None


def read_decision(record: Record) -> IncomingDecision:
    """Look at one record. Raises UnknownMajorVersion."""
    # What no worker of ours has written is nobody's to sample.
    return IncomingDecision(record, read_event(MatchDecision, record.value))


@dataclass
class Sampled:
    """What came of a batch; `budgets` are to be committed with the offsets."""

    tasks: list[LabelingTask] = field(default_factory=list)
    budgets: dict[int, Budget] = field(default_factory=dict)
    seen: int = 0
    """Decisions of the population."""


class Sampler:
    """Draws. `parts` counts the partitions of match.decisions, which share the budget; `now` gives UTC."""

    def __init__(
        self, index: Index, first_seen: FirstSeen, settings: LabelingSettings, parts: int, now: Callable[[], datetime],
        doubts: Doubts | None = None,
    ) -> None:  # fmt: skip
        self._index = index
        self._first_seen = first_seen
        self._settings = settings
        self._parts = parts
        self._now = now
        self._doubts = doubts or NoDoubts()

    def sample(self, batch: Sequence[IncomingDecision], budgets: Mapping[int, Budget]) -> Sampled:
        """Draw from a batch. Raises redis errors, IndexLost and Unavailable; it may be called again at any time."""
        now = self._now()
        # What nobody could be asked about any more is not of the population: a backlog of months, say.
        oldest = now - timedelta(days=self._settings.expires_days)
        found = [
            (each, each.made)
            for each in batch
            if each.made is not None and eligible(each.made) and each.made.decided_at >= oldest
        ]
        sampled = Sampled(budgets={each.partition: budgets[each.partition] for each in batch}, seen=len(found))
        keys = list(dict.fromkeys(side.key for _, made in found for side in (made.first, made.second)))
        stored = dict(zip(keys, self._index.read(keys), strict=True)) if keys else {}
        listings = [contents(made, stored) for _, made in found]
        novel = self._novel([(each, made, pair) for (each, made), pair in zip(found, listings, strict=True)])
        doubted = self._doubts.among([each for each, _ in found]) if found else ()
        drawn = []
        for (each, made), pair, new in zip(found, listings, novel, strict=True):
            budget = advance(sampled.budgets[each.partition], made.decided_at, self._settings, self._parts)
            base = base_rates(
                made, [offer for offer in pair if offer is not None], new, self._settings,
                made.decision_id in doubted,
            )  # fmt: skip
            taken = draw(made.decision_id, chances(base, budget.scale))
            uniform = taken is not None and "uniform" in taken.reasons
            sampled.budgets[each.partition] = spend(budget, max(base.values(), default=0.0), uniform, taken is not None)
            if taken is not None:
                drawn.append((made, taken, pair))
        firsts = [made.first.key for made, _, _ in drawn]
        held = self._index.labels_many(firsts) if firsts else []
        sampled.tasks = [
            task_of(made, taken, pair, labels.get(made.second.key, ()), stored, self._settings, now)
            for (made, taken, pair), labels in zip(drawn, held, strict=True)
        ]
        return sampled

    def _novel(
        self, found: Sequence[tuple[IncomingDecision, MatchDecision, tuple[Offer | None, Offer | None]]]
    ) -> list[bool]:
        """Whether each decision shows a pair of sources or a brand that its partition saw first only lately."""
        named = [features(made, [offer for offer in pair if offer is not None]) for _, made, pair in found]
        seen: dict[int, dict[str, int]] = {}
        for (each, _, _), names in zip(found, named, strict=True):
            first = seen.setdefault(each.partition, {})
            for name in names:
                first[name] = min(each.offset, first.get(name, each.offset))
        known = {partition: self._first_seen.note(partition, first) for partition, first in seen.items()}
        span = self._settings.novelty_span
        return [
            any(each.offset - known[each.partition][name] < span for name in names)
            for (each, _, _), names in zip(found, named, strict=True)
        ]


def features(made: MatchDecision, offers: Sequence[Offer]) -> list[str]:
    """What of a decision can be new: its pair of sources, and the brands that the listings name."""
    sources = sorted({split_key(side.key)[0] for side in (made.first, made.second)})
    brands = {" ".join(offer.brand.lower().split())[:100] for offer in offers if offer.brand}
    return [f"sources:{'|'.join(sources)}", *(f"brand:{brand}" for brand in sorted(brands) if brand)]
