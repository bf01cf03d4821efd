from __future__ import annotations

from collections.abc import Sequence

import pytest

from schemas.offer import Offer
from schemas.policy import Policy
from train.evaluation.evaluate import Scored
from train.pairs.pairs import Pair
from train.report.sections import calibration_section
from worker.student.judge import Judgement


def scored(probabilities: Sequence[float], labels: Sequence[int]) -> Scored:
    left, right = (Offer(offer_id=side, source=side, title="a camera") for side in ("a", "b"))
    pairs = [Pair(str(number), left, right, label, "made-up") for number, label in enumerate(labels)]
    return Scored(pairs, [Judgement(0.0, probability, {}) for probability in probabilities], 1.0)


def test_thresholds_of_a_target_decide_beside_the_policy() -> None:
    result = scored([0.95] * 60 + [0.7] * 20 + [0.1] * 40, [1] * 60 + [0] * 20 + [0] * 40)
    policy = Policy(match_threshold=0.5, review_low=0.5, review_high=0.5)
    targets = {
        "precision": 0.9,
        "met_on_validation": True,
        "thresholds": {"match": 0.5, "review_low": 0.5, "review_high": 0.9},
    }
    found = calibration_section([result], policy, targets)
    assert found["auto_match"]["precision"] == 0.75
    aimed = found["at_target"]
    assert (aimed["auto_match"]["n"], aimed["auto_match"]["precision"], aimed["review"]["hits"]) == (60, 1.0, 20)
    # Clopper and Pearson: 60 of 60 right leave 0.05 ** (1 / 60).
    assert aimed["auto_match"]["precision_bound"] == pytest.approx(0.05 ** (1 / 60), abs=1e-4)
    assert calibration_section([result], policy)["at_target"] is None
