from __future__ import annotations

import pytest
from sklearn.metrics import balanced_accuracy_score

from schemas.rationale import VERDICTS
from tests.train.report.making import made_up_pairs
from train.report.attributes import Taught, Verdicts, agreement, attribute_section, balanced


def test_balanced_accuracy_is_scikit_learns() -> None:
    truth = ["same"] * 8 + ["different"] * 4
    said = ["same"] * 6 + ["unknown"] * 2 + ["different"] * 1 + ["same"] * 3
    table = agreement(
        [{"brand": value} for value in truth],  # type: ignore[dict-item]
        [{"brand": value} for value in said],  # type: ignore[dict-item]
    )["brand"]
    assert table["confusion"] == [[6, 0, 2], [3, 1, 0], [0, 0, 0]]
    assert table["n_per_class"] == {"same": 8, "different": 4, "unknown": 0}
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = balanced_accuracy_score(truth, said)
    assert table["balanced_accuracy"] == pytest.approx(expected)
    assert table["balanced_accuracy_low"] < expected < table["balanced_accuracy_high"]
    assert table["classes"] == 2


def test_without_a_reference_nothing_is_measured() -> None:
    assert balanced([[0] * 3] * 3)["balanced_accuracy"] is None
    assert agreement([], [])["brand"]["n"] == 0


def test_only_what_the_reference_says_counts_and_silence_is_unknown() -> None:
    rows = agreement([{"brand": "same"}, {}], [{}, {"brand": "different"}])
    assert rows["brand"]["n"] == 1
    assert rows["brand"]["confusion"][0][VERDICTS.index("unknown")] == 1
    assert rows["product"]["n"] == 0


def test_cuts() -> None:
    same: Verdicts = {"brand": "same"}
    different: Verdicts = {"brand": "different"}
    pairs = made_up_pairs(3)
    rows = [
        Taught(pairs[0], same, different, hard=True, report_only=False),
        Taught(pairs[1], different, different, hard=False, report_only=True),
        Taught(pairs[2], same, same, hard=False, report_only=False),
    ]
    found = attribute_section(rows, [same, same, same])
    assert [found[cut]["n"] for cut in ("hard_negatives", "all", "report_products")] == [1, 3, 1]
    assert found["hard_negatives"]["student_against_teacher"]["brand"]["balanced_accuracy"] == 1.0
    assert found["hard_negatives"]["rules_against_teacher"]["brand"]["balanced_accuracy"] == 0.0
    assert found["all"]["student_against_teacher"]["brand"]["balanced_accuracy"] == 0.5
    assert found["all"]["student_against_rules"]["brand"]["n_per_class"] == {"same": 1, "different": 2, "unknown": 0}
