"""Decisions and answers by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from schemas.answer import Answer, Outcome
from schemas.decision import BundleRef, DecisionVerdict, MatchDecision, Side
from schemas.events import Position
from schemas.offer import split_pair

BEGIN = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def made(
    pair: str, verdict: DecisionVerdict, reasons: Sequence[str] = (), probability: float = 0.9, query: int = 0
) -> MatchDecision:
    """A decision about a pair; `query` says which of its two offers had changed."""
    keys = split_pair(pair)
    return MatchDecision(
        decision_id=f"of {pair}",
        pair_id=pair,
        query_key=keys[query],
        candidate_key=keys[1 - query],
        first=Side(key=keys[0], effective_version=1, digest="a"),
        second=Side(key=keys[1], effective_version=1, digest="b"),
        verdict=verdict,
        probability=probability,
        reasons=list(reasons),
        decided_by="student",
        bundle=BundleRef(name="tiny", version="1.0.0", digest="c"),
        prompt_version="1",
        grammar_version="1",
        policy_version="1",
        source=Position(topic="catalog.changes", partition=0, offset=1),
        decided_at=BEGIN,
    )


def answered(
    partition: int, offset: int, seconds: float, candidates: int = 5, outcome: Outcome = "judged", k: int = 5
) -> Answer:
    """An answer that many seconds after the beginning."""
    return Answer(
        source=Position(topic="catalog.changes", partition=partition, offset=offset),
        key=f"abt:{offset}",
        op="upsert",
        outcome=outcome,
        candidates=candidates,
        k_requested=5,
        k_effective=k,
        answered_at=BEGIN + timedelta(seconds=seconds),
    )
