"""The words follow the rule that decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.decision import MatchDecision
from tests.decisions import NOW
from tests.worker.audit.making import judged, offer
from worker.audit.superseding import why_over

A, B = offer(1, "a"), offer(1, "b")
LABEL: dict[str, Any] = {"decided_by": "label", "label_id": "l1"}


def made(versions: tuple[int, int] = (5, 5), **fields: Any) -> MatchDecision:
    return judged(A, B, versions, **{"decided_at": NOW, **fields})


@pytest.mark.parametrize(
    ("winner", "loser", "words"),
    [
        (made((6, 5)), made(), "newer versions: a:1 at version 6 instead of 5"),
        (made((6, 7)), made(), "a:1 at version 6 instead of 5, b:1 at version 7 instead of 5"),
        (made((6, 5), decision_id="new"), made(**LABEL), "newer versions"),
        (made(**LABEL), made(deployment=9), "a human label binds at equal versions"),
        (
            made(**LABEL, source={"topic": "match.labels", "partition": 0, "offset": 9}),
            made(**LABEL, source={"topic": "match.labels", "partition": 0, "offset": 8}),
            "a later human label",
        ),
        (made(deployment=2), made(deployment=1), "a later deployment: 2 instead of 1"),
        (
            made(bundle={"name": "s", "version": "1.10.0", "digest": "d"}),
            made(bundle={"name": "s", "version": "1.9.0", "digest": "e"}),
            "a newer bundle: s 1.10.0 instead of s 1.9.0",
        ),
        (made(decided_by="operator", action_id="x"), made(), "an operator's action"),
        (made(), made(query_key="b:1", candidate_key="a:1"), "side of the pair's first offer"),
        (made(decided_at=NOW + timedelta(seconds=1)), made(), "decided later"),
        (made(decision_id="b"), made(decision_id="a"), "greater decision id"),
    ],
)  # fmt: skip
def test_why(winner: MatchDecision, loser: MatchDecision, words: str) -> None:
    assert words in why_over(winner, loser)
    with pytest.raises(ValueError, match="does not stand over"):
        why_over(loser, winner)
