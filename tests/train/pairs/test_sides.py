from __future__ import annotations

from typing import Any

import pytest

from train.pairs.sides import MATCH, NO_MATCH, RowError, read_label, split_row


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_title", "right_title"),
        ("title_left", "title_right"),
        ("left.title", "right.title"),
        ("Left Title", "Right Title"),
        ("leftTitle", "rightTitle"),
        ("ltable_name", "rtable_name"),
        ("product_name_l", "product_name_r"),
        ("offer_a_title", "offer_b_title"),
        ("title_1", "title_2"),
        ("title1", "title2"),
        ("query_title", "candidate_title"),
    ],
)
def test_flat_columns_as_people_name_them(left: str, right: str) -> None:
    sides = split_row({"note": "x", left: "a b", right: "c d", "label": 1, "pair_id": 12})
    assert list(sides.left.values()) == ["a b"]
    assert list(sides.right.values()) == ["c d"]
    assert (sides.label, sides.pair_id, sides.rest) == (1, "12", {"note": "x"})


def test_every_column_of_a_side_goes_with_it() -> None:
    row = {"id_left": 3, "title_left": "a", "modelno_left": "x1", "title_right": "b", "mpn_right": "y2", "label": 0}
    sides = split_row(row)
    assert sides.left == {"id": 3, "title": "a", "modelno": "x1"}
    assert sides.right == {"title": "b", "mpn": "y2"}


def test_a_column_that_only_looks_like_a_sides() -> None:
    # "gtin_13" is no right side's, and "left_over" belongs to no title.
    sides = split_row({"title_1": "a", "title_2": "b", "gtin13_1": "4", "left_over": "z", "label": 1})
    assert sides.left == {"title": "a", "gtin13": "4"}
    assert sides.rest == {"left_over": "z"}


def test_the_label_column_may_be_named() -> None:
    row = {"left": {"title": "a"}, "right": {"title": "b"}, "gold_label": 0, "teacher_label": 1}
    assert split_row(row).label == 0
    sides = split_row(row, "teacher_label")
    assert (sides.label, sides.rest) == (1, {"gold_label": 0})
    with pytest.raises(RowError, match=r"no label column in \['gold_label', 'teacher_label'\] \(valid: answer\)"):
        split_row(row, "answer")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"title": "a", "label": 1}, r"no columns for the titles of both sides in \['title', 'label'\] \(valid: left"),
        ({"left_title": "a", "right_price": "3", "label": 1}, "no columns for the titles of both sides"),
        ({"left": {"title": "a"}, "label": 1}, "no 'right' object"),
        ({"left_title": "a", "right_title": "b"}, r"no label column in \[\] \(valid: label, gold_label, is_match"),
    ],
)
def test_a_row_that_is_no_pair(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        split_row(row)


@pytest.mark.parametrize("spelling", [1, 1.0, True, "1", "1.0", " TRUE ", "Match", "same", "yes"])
def test_spellings_of_a_match(spelling: Any) -> None:
    assert read_label(spelling) == 1


@pytest.mark.parametrize(
    "spelling", [0, 0.0, False, "0", "0.0", "false", "no_match", "No Match", "non-match", "different"]
)
def test_spellings_of_no_match(spelling: Any) -> None:
    assert read_label(spelling) == 0


@pytest.mark.parametrize("value", [None, "", 2, -1, "-1", 0.5, "1.5", float("nan"), "maybe", "unknown", [], "x" * 99])
def test_what_is_no_label(value: Any) -> None:
    with pytest.raises(
        RowError, match=r"label must be 0 or 1, not .* \(valid: 0/1, true/false, yes/no, match/no_match"
    ):
        read_label(value)


def test_no_spelling_means_both() -> None:
    assert not MATCH & NO_MATCH
