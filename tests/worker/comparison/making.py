"""Two sides that differ in known ways."""

from __future__ import annotations

from typing import Any

from schemas.decision import MatchDecision, Timings
from schemas.offer import Offer
from tests.worker.replay.conftest import about, offer
from worker.comparison.cases import Case


def sides(
    old: str, new: str, *, number: int = 1, p_old: float = 0.9, p_new: float = 0.2, ms: tuple[float, float] = (10, 20),
    label: bool | None = None, **fields: Any,
) -> Case:  # fmt: skip
    """One case: the verdicts of both sides about a pair of its own; `fields` are of the first offer."""
    first, second = offer(f"a:{number}", **fields), offer(f"b:{number}")
    return Case(
        judged(first, second, old, p_old, ms[0]), judged(first, second, new, p_new, ms[1]), first, second, label
    )


def judged(first: Offer, second: Offer, verdict: str, probability: float, ms: float = 10) -> MatchDecision:
    return about(first, second, verdict, probability=probability, timings=Timings(judge_ms=ms))
