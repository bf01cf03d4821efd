"""What a run came to, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from schemas.decision import MatchDecision


def summary_of(decisions: Iterable[MatchDecision], counts: Counter[str]) -> dict[str, Any]:
    """Verdicts and flips of the whole folder; `counts` are what became of its items."""
    verdicts, flips, by, total = Counter[str](), Counter[str](), Counter[str](), 0
    for made in decisions:
        total += 1
        verdicts[made.verdict] += 1
        by[made.decided_by] += 1
        if made.previous_verdict is not None and made.previous_verdict != made.verdict:
            flips[f"{made.previous_verdict}->{made.verdict}"] += 1
    return {
        "decisions": total,
        "verdicts": dict(sorted(verdicts.items())),
        "decided_by": dict(sorted(by.items())),
        "flips": dict(sorted(flips.items())),
        "outcomes": dict(sorted(counts.items())),
    }
