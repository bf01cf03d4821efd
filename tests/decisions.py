"""Decisions for tests of their readers."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.decision import BundleRef, DecisionVerdict, MatchDecision, Side
from schemas.events import Position
from schemas.offer import pair_id

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def decision(a: str, b: str, verdict: DecisionVerdict, versions: tuple[int, int] = (1, 1)) -> MatchDecision:
    """A decision about two offer keys; `versions` are the effective ones, in the pair's order."""
    first, second = sorted((a, b))
    named = zip((first, second), versions, strict=True)
    sides = [Side(key=key, effective_version=version, digest=f"{version}") for key, version in named]
    return MatchDecision(
        decision_id=f"{first}{second}{versions}",
        pair_id=pair_id(a, b),
        query_key=first,
        candidate_key=second,
        first=sides[0],
        second=sides[1],
        verdict=verdict,
        probability=0.9,
        reasons=["because"],
        decided_by="change" if verdict == "retracted" else "student",
        bundle=BundleRef(name="tiny", version="1.0.0", digest="d"),
        prompt_version="1",
        grammar_version="1",
        policy_version="1",
        source=Position(topic="catalog.changes", partition=0, offset=1),
        decided_at=NOW,
    )
