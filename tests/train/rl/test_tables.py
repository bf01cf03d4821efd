from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from train.pairs.pairs import Pair
from train.rl.assessment import Answers, Exam
from train.rl.tables import ArmRuns, halves_of, interval, judged, markdown, preferences, table, verdict, weights_of

from .making import training_pair

SETS = [("valid", "one"), ("test", "one"), ("valid", "two"), ("test", "two")]
PAIRS = 160


def exam() -> Exam:
    """Made of one listing: only ids and labels count here; two pairs of each left offer."""
    offer = training_pair(0).pair.left
    rng = np.random.default_rng(0)

    def pair(number: int, label: int) -> Pair:
        left, right = (
            offer.model_copy(update={"offer_id": name, "title": f"title {name}"})
            for name in (f"left-{number // 2}", f"right-{number}")
        )
        return Pair(str(number), left, right, label, "made")

    return Exam({name: [pair(n, int(rng.random() < 0.3)) for n in range(PAIRS)] for name in SETS}, judged=100)


EXAM = exam()


def answers(seed: int, skill: float, different: float = 0.0) -> Answers:
    """Answers whose logits know the label with some skill, and attributes that say ``different`` in some."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in EXAM.sets:
        logits = np.zeros((PAIRS, 6, 3))
        logits[:, -1, 0] = skill * (2 * EXAM.labels(name) - 1) + rng.normal(0, 1, PAIRS)
        logits[:, :5, 0] = 1.0
        logits[rng.random(PAIRS) < different, :5, 1] = 2.0
        found[name] = logits
    return Answers(found)


CREDIT = {name: np.tile(np.array([0.1, 0.2, 0.0]), (100, 5, 1)) for name in SETS}
START = answers(0, 1.5)


def runs(skill: float, seeds: int, different: float = 0.0) -> ArmRuns:
    made = [answers(seed, skill, different) for seed in range(1, seeds + 1)]
    return ArmRuns([judged(each, EXAM) for each in made], [preferences(each, START, CREDIT) for each in made])


def test_a_better_arm_is_better_by_an_interval_and_an_equal_one_is_not() -> None:
    rows = table({"sft": runs(1.5, 3), "full": runs(3.0, 3, 0.4), "label": runs(1.5, 2)}, EXAM, "sft")
    found: dict[Any, Any] = {(row["arm"], row["split"]): row for row in rows}
    assert list(found) == [(arm, split) for split in ("valid", "test") for arm in ("sft", "full", "label")]
    better, same = found["full", "test"], found["label", "test"]
    assert better["f1_less_control_low"] > 0 > better["brier_less_control_high"]
    assert same["f1_less_control_low"] < 0 < same["f1_less_control_high"]
    for row in rows:
        for name in ("f1", "brier", "ece"):
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"] or name == "ece"
        assert row["f1_worst_seed"] <= row["f1"]
        assert row["brier_worst_seed"] >= row["brier"]
    # Where verdicts differ at all, "different" is worth more to this judge.
    assert better["preferred"] == 1.0
    assert "f1_less_control" not in found["sft", "test"]
    assert verdict(rows).startswith("RL becomes the default: better by an interval in f1 on valid")
    assert "does not become" in verdict(rows, "label")
    page = markdown(rows, {"full": "the full reward"})
    assert page.count("\n") == len(rows) + 2
    assert "| the full reward | test | 3 |" in page


def test_verdicts_of_equal_worth_are_no_preference() -> None:
    row = table({"sft": runs(1.5, 2)}, EXAM, "sft")[0]
    assert np.isnan(row["preferred"])
    assert row["preferred_low"] is None
    assert markdown([row], {}).count("–") >= 3
    assert verdict([row]) == "There is no comparison of full with the control."


def test_thresholds_come_from_other_pairs() -> None:
    found = judged(START, EXAM)
    # Labels of test pairs, and those of its own half, change no verdict.
    turned = {
        name: [
            pair if name[0] == "valid" else Pair(pair.pair_id, pair.left, pair.right, 1 - pair.label, "made")
            for pair in pairs
        ]
        for name, pairs in EXAM.sets.items()
    }
    again = judged(START, Exam(turned, 100))
    for name in SETS:
        np.testing.assert_array_equal(found.said[name], again.said[name])
    assert set(halves_of(EXAM.labels(SETS[0]) == 1)) == {0, 1}


def test_a_student_that_cannot_rank_is_measured_all_the_same() -> None:
    found = judged(answers(3, -2.0), EXAM)
    assert all(np.isfinite(values).all() for values in found.probabilities.values())


def test_products_are_drawn_with_all_their_pairs() -> None:
    products = EXAM.products(SETS[0])
    assert len(np.unique(products)) <= PAIRS // 2
    weights = weights_of(products, np.random.default_rng(1))
    for product in np.unique(products):
        assert (weights[:, products == product] == weights[:, products == product][:, :1]).all()
    assert weights.mean() == pytest.approx(1, abs=0.02)
    assert interval(np.array([np.nan])) == (None, None)
