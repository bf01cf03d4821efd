"""What a committed batch adds to the metrics and to the log. Counted once, from what was published."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.decision import MatchDecision
from worker.stream.backoff import Log
from worker.stream.metrics import (
    CANARY_DECISIONS,
    CHANGES,
    DEAD_LETTERS,
    DECISIONS,
    SHADOW_DELTA,
    SHADOW_PAIRS,
    Metrics,
)
from worker.stream.outputs import Result


def count(results: Iterable[Result], metrics: Metrics, log: Log) -> None:
    """Count the results of one committed batch."""
    for result in results:
        answer = result.answer
        metrics.add(CHANGES, outcome=answer.outcome)
        if answer.outcome == "dead_lettered":
            reason = answer.reason or "unknown"
            metrics.add(DEAD_LETTERS, reason=reason)
            log.warning("dead_letter", position=str(result.record), reason=reason, detail=answer.detail)
        for made in result.decisions:
            count_decision(made, metrics)


def count_decision(made: MatchDecision, metrics: Metrics) -> None:
    """Count one published decision."""
    metrics.add(DECISIONS, verdict=made.verdict)
    if made.canary:
        metrics.add(CANARY_DECISIONS, verdict=made.verdict)
    if made.shadow is not None:
        metrics.add(SHADOW_PAIRS, live=made.verdict, candidate=made.shadow.verdict)
        if made.probability is not None:
            metrics.observe(SHADOW_DELTA, abs(made.probability - made.shadow.probability))
