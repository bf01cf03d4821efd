from __future__ import annotations

from typing import Any

import pytest

from schemas.decision import BundleRef, supersedes
from tests.decisions import NOW
from tests.worker.audit.making import judged, offer
from worker.incidents.action import DONE, LABEL, NOTHING, Target, acted, why_not

A, B = offer(1, "a"), offer(2, "b")


@pytest.mark.parametrize("target", ["review", "retracted"])
def test_it_stands_over_what_it_corrects_and_gives_way(target: Target) -> None:
    held = judged(A, B, (3, 4))
    made = acted(held, target, "incident1", NOW)
    assert supersedes(made, held)
    assert (made.decided_by, made.action_id, made.verdict) == ("operator", "incident1", target)
    assert (made.previous_decision_id, made.previous_verdict) == (held.decision_id, held.verdict)
    newer: list[dict[str, Any]] = [
        {"bundle": BundleRef(name="tiny", version="1.0.1", digest="e")},
        {"deployment": 1},
        {"decided_by": "label", "label_id": "l"},
    ]
    for change in newer:
        assert supersedes(held.model_copy(update=change), made)
    assert supersedes(judged(A, B, (3, 5)), made)
    # The other side's word at the same versions does not.
    other = held.model_copy(update={"query_key": held.candidate_key, "candidate_key": held.query_key})
    assert supersedes(made, other)


def test_the_id_depends_on_the_action() -> None:
    held = judged(A, B)
    assert acted(held, "review", "x", NOW).decision_id == acted(held, "review", "x", NOW).decision_id
    ids = {held.decision_id, *(acted(held, "review", action, NOW).decision_id for action in ("x", "y"))}
    assert len(ids) == 3


def test_people_see_the_rationale_and_nobody_reads_one_of_a_retraction() -> None:
    held = judged(A, B)
    assert acted(held, "review", "x", NOW).rationale == held.rationale
    assert acted(held, "retracted", "x", NOW).rationale is None


def test_what_is_left_alone() -> None:
    held = judged(A, B)
    assert why_not(held, "retracted") is None
    assert why_not(held.model_copy(update={"decided_by": "label"}), "review") == LABEL
    assert why_not(acted(held, "review", "x", NOW), "review") == DONE
    missed = judged(A, B, verdict="no_match")
    assert why_not(missed, "retracted") == NOTHING
    assert why_not(missed, "review") is None
