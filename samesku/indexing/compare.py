"""The index against the truth: what is missing, behind, different, or nobody's. Pure.

While workers run the index is ahead of the topics for a moment (offers are indexed, and pairs linked, before the
commit), never behind them. So *ahead* and *pending* are no faults, and what looks like one must still be there at a
later look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from samesku.indexing.truth import Held
from schemas.decision import MatchDecision
from worker.blocking.records import LinkState, StoredOffer

Kind = Literal["missing", "behind", "differs", "orphan", "link_missing", "link_differs", "link_orphan"]
MEANING: dict[Kind, str] = {
    "missing": "an offer of the catalogue that the index lacks",
    "behind": "an offer of which the index holds an older version",
    "differs": "an offer whose content in the index is not that of its version",
    "orphan": "an offer in the index that the catalogue does not know",
    "link_missing": "a standing match or review that is not linked",
    "link_differs": "a link that names another decision than the one that stands",
    "link_orphan": "a link of a pair that nothing links",
}
"""Every kind of fault in words."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as the topics say: of an offer, or of an offer's link to another."""

    kind: Kind
    key: str
    other: str = ""
    detail: str = ""


def offer_fault(key: str, held: Held | None, stored: StoredOffer | None) -> Fault | None:
    """What is wrong with one offer. A delete marker may have been forgotten; an index that is ahead is right."""
    if held is None:
        if stored is None or stored.deleted:
            # A delete marker of an offer that nobody has heard of: its tombstone was compacted away.
            return None
        return Fault("orphan", key, detail=f"version {stored.effective_version}")
    if stored is None:
        return Fault("missing", key, detail=f"version {held.version}") if held.digest else None
    if stored.effective_version < held.version:
        return Fault("behind", key, detail=f"version {stored.effective_version}, the catalogue has {held.version}")
    if stored.effective_version > held.version:
        return None
    has = "" if stored.deleted else stored.digest
    return None if has == held.digest else Fault("differs", key, detail=f"{has[:12] or 'deleted'} at {held.version}")


def link_faults(
    key: str, expected: Mapping[str, MatchDecision], found: Mapping[str, LinkState]
) -> list[Fault]:  # fmt: skip
    """What is wrong with one offer's links; both are by the other offer's key. Pending links are not looked at."""
    faults = []
    for other in sorted(expected.keys() | found.keys()):
        made, link = expected.get(other), found.get(other)
        if link is not None and link.pending:
            continue
        has = None if link is None or link.standing is None else link.standing.decision_id
        if made is None:
            if has is not None:
                faults.append(Fault("link_orphan", key, other, f"names {has}"))
        elif has is None:
            faults.append(Fault("link_missing", key, other, f"{made.verdict} {made.decision_id}"))
        elif has != made.decision_id:
            faults.append(Fault("link_differs", key, other, f"names {has}, {made.decision_id} stands"))
    return faults
