"""What a margin does to logits of both orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.orders import ROW, Both, joined, outcome
from schemas.bundle import BundleManifest

#      a flip within every margin, one that one side doubts, a flip that none doubts, and a pair without question
LOGITS = [(0.5, -0.9), (3.5, -0.5), (2.5, -2.5), (8.0, 7.0)]


def at(threshold: float) -> BundleManifest:
    """A bundle whose match threshold is at this raw logit."""
    sha = "0" * 64
    return BundleManifest.model_validate({
        "name": "x", "version": "1.0.0", "built_at": "2026-01-01T00:00:00Z", "base": "x", "base_sha256": sha,
        "precision": "fp32", "prompt_version": "1", "prompt_hash": sha, "grammar_version": "1", "grammar_hash": sha,
        "tokenizer_hash": sha, "files": {}, "calibration": {"a": 1.0, "b": -threshold}, "thresholds": {"match": 0.5},
    })  # fmt: skip


def rows(labels: list[int]) -> list[dict[str, Any]]:
    return [
        dict(zip(ROW, ("x", label, forward, backward, 50, 90, 140), strict=True))
        for label, (forward, backward) in zip(labels, LOGITS, strict=True)
    ]


def test_without_a_margin_every_flip_stays() -> None:
    found = outcome(Both.of(rows([0, 1, 0, 1])), 0.0, at(0.0))
    assert (found["twice"], found["extra_compute"], found["flips"]) == (0, 0, 0.75)
    assert (found["precision"], found["recall"]) == (0.5, 1.0)


def test_a_margin_ends_the_flips_that_a_side_doubts_unless_the_mean_disagrees_with_the_other() -> None:
    both = Both.of(rows([0, 1, 0, 1]))
    found = outcome(both, 1.0, at(0.0))
    # The first pair is judged twice from both sides, the second from one, whose mean says what the other side says.
    assert found["twice"] == pytest.approx(3 / 8)
    assert found["flips"] == 0.25
    assert found["extra_compute"] == pytest.approx(1.5 * 140 / (4 * (50 / 5 + 90)))
    assert found["precision"] == pytest.approx(2 / 3)
    assert outcome(both, 1.0, at(2.0))["flips"] == 0.25
    assert outcome(both, 3.0, at(0.0))["flips"] == 0


def test_sets_are_joined() -> None:
    both = Both.of(rows([0, 1, 0, 1]))
    twice = joined([both, both])
    assert len(twice.labels) == 8
    assert outcome(twice, 1.0, at(0.0)) == pytest.approx(outcome(both, 1.0, at(0.0)))
    assert np.array_equal(twice.whole, np.full(8, 140.0))
