"""Checks made by hand, for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from train.verification.records import Check


def check(number: int, verdict: str = "match", reviewer: str = "ann", **given: Any) -> Check:
    """A check of the claim `same` about pair `number`, drawn from one stratum of 100 claims."""
    stands: dict[str, Any] = {
        "task_id": f"task-{number}", "pair_id": f"pair-{number}", "set_name": "teacher-a", "set_digest": "d" * 64,
        "set_size": 100, "share": "uniform", "stratum": "all", "stratum_size": 100, "stratum_drawn": 10,
        "inclusion_probability": 0.1, "uniform_probability": 0.1, "seed": 0, "answer": "same",
    }  # fmt: skip
    return Check.model_validate(stands | given | {"reviewer": reviewer, "verdict": verdict})


def checks(said: Sequence[str], size: int = 100_000, **given: Any) -> list[Check]:
    """One check a verdict, a uniform sample of a large set."""
    share = len(said) / size
    drawn: dict[str, Any] = {
        "set_size": size, "stratum_size": size, "stratum_drawn": len(said),
        "inclusion_probability": share, "uniform_probability": share,
    }  # fmt: skip
    return [check(number, verdict, **(drawn | given)) for number, verdict in enumerate(said)]
