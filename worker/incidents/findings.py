"""An incident as a whole: what was reported, what it has in common, what else is like it, who had said otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from schemas.events import format_time, sha256_hex
from worker.audit.store import AuditStore
from worker.incidents.affected import Case, Standing
from worker.incidents.disagreement import Disagreement, disagreements
from worker.incidents.pattern import Pattern, patterns
from worker.incidents.reports import Report

Say = Callable[[str], None]


@dataclass(frozen=True)
class Kind:
    """One pattern and every standing decision that meets it: of them reported, and not (the affected)."""

    pattern: Pattern
    reported: tuple[Case, ...]
    affected: tuple[Case, ...]


@dataclass(frozen=True)
class Findings:
    """See the module. ``unknown`` are reported pairs about which nothing stands in the store."""

    incident_id: str
    reports: tuple[Report, ...]
    unknown: tuple[str, ...]
    reported: tuple[Case, ...]
    standing: int
    """Pairs of the store about which something stands."""
    background: int
    """Of them so many were compared with the reported ones."""
    kinds: tuple[Kind, ...]
    unexplained: tuple[Case, ...]
    """Reported pairs that no pattern covers."""
    disagreements: tuple[Disagreement, ...]
    found_at: datetime

    def pairs(self, kind: int | None = None, reported_only: bool = False) -> list[str]:
        """Pairs of one kind (from 1), or of all with what was reported; sorted."""
        chosen = self.kinds if kind is None else (self.kinds[kind - 1],)
        cases = [case for each in chosen for case in (*each.reported, *(() if reported_only else each.affected))]
        if kind is None:
            cases += self.reported
        return sorted({case.made.pair_id for case in cases})

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data; listings are left to the audit store."""
        return {
            "incident_id": self.incident_id,
            "found_at": format_time(self.found_at),
            "reports": [asdict(report) for report in self.reports],
            "unknown": list(self.unknown),
            "standing": self.standing,
            "background": self.background,
            "kinds": [
                {
                    "pattern": [asdict(step) for step in kind.pattern.steps],
                    "reported": [case.made.pair_id for case in kind.reported],
                    "affected": [case.made.pair_id for case in kind.affected],
                }
                for kind in self.kinds
            ],
            "unexplained": [case.made.pair_id for case in self.unexplained],
            "disagreements": [asdict(each) for each in self.disagreements],
        }


def investigate(
    store: AuditStore, reports: Sequence[Report], now: datetime, *, cover: float, background: int, say: Say
) -> Findings:
    """Look into reported pairs.

    Args:
        store: the audit store.
        reports: what was reported, one a pair.
        now: for the report.
        cover: share of the reported pairs that a pattern must hold for.
        background: standing decisions of the same verdicts to compare them with.
        say: told what is being done.

    Raises:
        worker.audit.errors.AuditError: there is no store, or its files were replaced while it was read.
    """
    say("reading what stands")
    standing = Standing(store)
    wanted = [report.pair_id for report in reports]
    reported = standing.of(wanted)
    say("comparing with other decisions")
    others = standing.sample({case.made.verdict for case in reported}, background, wanted)
    found = patterns([case.traits for case in reported], [case.traits for case in others], cover)
    kinds = []
    seen = set(wanted)
    for number, pattern in enumerate(found, 1):
        say(f"looking for what else meets pattern {number}")
        # The background had the verdicts of the reported pairs, so the pattern says something of these alone.
        same = {reported[place].made.verdict for place in pattern.covered}
        like = [case for case in standing.like(pattern, same) if case.made.pair_id not in seen]
        kinds.append(Kind(pattern, tuple(reported[place] for place in pattern.covered), tuple(_costly_first(like))))
        seen |= {case.made.pair_id for case in like}
    covered = {place for pattern in found for place in pattern.covered}
    pairs = {case.made.pair_id for kind in kinds for case in kind.affected} | set(wanted)
    say("asking who had said otherwise")
    known = {case.made.pair_id for case in reported}
    return Findings(
        incident_id=sha256_hex("\n".join(sorted(wanted)).encode())[:12],
        reports=tuple(reports),
        unknown=tuple(sorted(set(wanted) - known)),
        reported=tuple(reported),
        standing=standing.count(),
        background=len(others),
        kinds=tuple(kinds),
        unexplained=tuple(case for place, case in enumerate(reported) if place not in covered),
        disagreements=tuple(disagreements(store, pairs)),
        found_at=now,
    )


def _costly_first(cases: Sequence[Case]) -> list[Case]:
    """The dearest offers first, for that is where a wrong match loses most; then the surest, then by pair."""

    def value(case: Case) -> float:
        prices = [float(offer.price) for offer in (case.first, case.second) if offer is not None and offer.price]
        return max(prices, default=0.0)

    return sorted(cases, key=lambda case: (-value(case), -(case.made.probability or 0.0), case.made.pair_id))


__all__ = ["Findings", "Kind", "investigate"]
