"""Everything that the store knows of one pair: its decisions in time, what stands and why, and what they were about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from schemas.decision import DELETED_DIGEST, MatchDecision, standing
from schemas.label import Label
from schemas.offer import Offer, pair_id, split_key, split_pair
from worker.audit.columns import Row
from worker.audit.contents import Contents
from worker.audit.store import AuditStore, decision_of
from worker.audit.superseding import why_over
from worker.audit.tables import LABELS


@dataclass(frozen=True)
class Entry:
    """One decision of the history. `over` says why the standing one stands over it; None for that one itself."""

    decision: MatchDecision
    partition: int
    offset: int
    published_at: datetime | None
    over: str | None = None
    repeats: int = 0
    """How often the very same decision was published again (a change that was delivered again)."""


@dataclass(frozen=True)
class History:
    """`entries` by the time of the decision. `contents` by digest; digests in `erased` had one that was erased."""

    pair_id: str
    entries: list[Entry] = field(default_factory=list)
    contents: dict[str, Offer] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    labels: list[Label] = field(default_factory=list)

    @property
    def standing(self) -> Entry | None:
        """The entry that stands; None for a pair that was never decided."""
        return next((entry for entry in self.entries if entry.over is None), None)


def history(store: AuditStore, offer_a: str, offer_b: str) -> History:
    """The history of two offer keys, in either order.

    Raises ValueError for a text that is no offer key or an offer paired with itself, NoStore and StoreChanged.
    """
    for key in (offer_a, offer_b):
        split_key(key)
    if offer_a == offer_b:
        raise ValueError(f"an offer is not compared with itself: {offer_a!r}")
    store.info()
    pair = pair_id(offer_a, offer_b)
    entries = _entries(store.pair(pair))
    sides = [side for entry in entries for side in (entry.decision.first, entry.decision.second)]
    contents = Contents(store)
    wanted = {(side.key, side.digest) for side in sides if side.digest != DELETED_DIGEST}
    found: dict[str, Offer] = {}
    erased: set[str] = set()
    for key in split_pair(pair) if wanted else ():
        kept, gone = contents.of_digests(key, {digest for owner, digest in wanted if owner == key})
        found |= kept
        erased |= gone
    labels = [
        Label.model_validate_json(bytes(row["raw"])) for row in store.rows(LABELS, "unreadable IS NULL", key=pair)
    ]
    return History(pair, entries, found, erased, sorted(labels, key=lambda label: label.labeled_at))


def _entries(rows: list[Row]) -> list[Entry]:
    first: dict[str, Entry] = {}
    repeats: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: (row["partition"], row["offset"])):
        made = decision_of(row)
        # The same id is the same input; a repetition differs in its time alone, and the later one would stand.
        if made.decision_id in first:
            repeats[made.decision_id] = repeats.get(made.decision_id, 0) + 1
        first[made.decision_id] = Entry(made, row["partition"], row["offset"], row["published_at"])
    if not first:
        return []
    (stands,) = standing(entry.decision for entry in first.values()).values()
    return sorted(
        (
            Entry(
                entry.decision, entry.partition, entry.offset, entry.published_at,
                None if entry.decision == stands else why_over(stands, entry.decision),
                repeats.get(name, 0),
            )
            for name, entry in first.items()
        ),
        key=lambda entry: (entry.decision.decided_at, entry.partition, entry.offset),
    )  # fmt: skip
