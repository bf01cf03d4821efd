from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from tests.train.verification.making import check
from train.verification.agreement import agreement, agreement_of, cohen, cohen_along, fleiss, fleiss_along

# Cohen 1960, table 1: three categories, 200 items; kappa is .492 there.
COHEN_1960 = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
# Fleiss 1971 as Wikipedia repeats it: ten subjects, 14 raters, five categories; kappa is .210.
FLEISS_1971 = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def unrolled(table: list[list[int]]) -> tuple[list[str], list[str]]:
    cells = [(a, b) for a, row in enumerate(table) for b, count in enumerate(row) for _ in range(count)]
    return [str(a) for a, _ in cells], [str(b) for _, b in cells]


def test_cohens_own_example() -> None:
    first, second = unrolled(COHEN_1960)
    found = cohen(first, second)
    assert found.value == pytest.approx(cohen_kappa_score(first, second))
    assert found.value == pytest.approx(0.492, abs=5e-4)
    assert found.observed == pytest.approx(0.70)
    assert found.low is not None
    assert found.high is not None
    # The large-sample interval is symmetric about the value and nearly the bootstrap's.
    large = cohens_kappa(np.array(COHEN_1960))
    assert (found.low, found.high) == pytest.approx((large.kappa_low, large.kappa_upp), abs=0.015)


def test_fleiss_own_example() -> None:
    found = fleiss(FLEISS_1971)
    assert found.value == pytest.approx(0.210, abs=5e-4)
    assert found.observed == pytest.approx(0.378, abs=5e-4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.210 < found.high


counts = st.lists(st.lists(st.integers(1, 9), min_size=3, max_size=3), min_size=3, max_size=3)


@settings(deadline=None, max_examples=40)
@given(counts)
def test_the_formulas_along_an_axis_are_the_librarys(table: list[list[int]]) -> None:
    square = np.array(table)
    assert cohen_along(np.stack([square, square.T]))[0] == pytest.approx(cohens_kappa(square, return_results=False))
    ratings = np.column_stack([square, 27 - square.sum(1)])  # every item with 27 ratings
    assert fleiss_along(ratings[None])[0] == pytest.approx(fleiss_kappa(ratings))


def test_one_category_is_undefined_and_says_so() -> None:
    same = cohen(["match"] * 9, ["match"] * 9)
    assert (same.value, same.observed, same.low) == (None, 1.0, None)
    assert "one category only" in same.note
    assert "one category only" in fleiss([[3], [3], [3]]).note
    assert fleiss([[3, 0], [3, 0]]).value is None
    assert "fewer than two" in cohen(["match"], ["match"]).note


def test_resamples_with_one_category_are_counted() -> None:
    found = cohen(["match"] * 9 + ["no_match"], ["match"] * 9 + ["no_match"])
    assert found.value == 1
    # All but one item alike: a resample misses the odd one with probability 0.9 ** 10.
    assert found.lost == pytest.approx(0.9**10, abs=0.05)
    assert "undefined" in found.note


def test_fleiss_is_of_the_items_that_most_reviewers_share() -> None:
    ratings = {
        "a": {"ann": "x", "bob": "x", "cem": "x"},
        "b": {"ann": "x", "bob": "y", "cem": "y"},
        "c": {"ann": "y", "bob": "y", "cem": "y"},
        "d": {"ann": "y", "bob": "x"},
        "e": {"ann": "y"},
    }
    found = agreement(ratings)
    assert (found.raters, found.left_out) == (3, 1)
    assert found.fleiss.value == pytest.approx(fleiss_kappa(np.array([[3, 0], [1, 2], [0, 3]])))
    assert set(found.cohen) == {("ann", "bob"), ("ann", "cem"), ("bob", "cem")}
    assert found.cohen["ann", "bob"].items == 4


def test_answer_and_attributes_are_separate_questions() -> None:
    made = [
        check(number, verdict, reviewer, attributes={"brand": brand} | ({} if number else {"quantity": "same"}))
        for reviewer, rows in {
            "ann": [("match", "same"), ("no_match", "different"), ("match", "same")],
            "bob": [("match", "same"), ("no_match", "same"), ("unsure", "same")],
        }.items()
        for number, (verdict, brand) in enumerate(rows)
    ]  # fmt: skip
    found = agreement_of(made)
    assert set(found) == {"answer", "brand", "quantity"}
    assert found["answer"].fleiss.observed == pytest.approx(2 / 3)
    assert found["brand"].fleiss.observed == pytest.approx(2 / 3)
    assert "fewer than two" in found["quantity"].fleiss.note


def test_one_reviewer_agrees_with_nobody() -> None:
    found = agreement_of([check(1), check(2)])["answer"]
    assert (found.cohen, found.fleiss.value, found.raters) == ({}, None, 0)
