from __future__ import annotations

import numpy as np
import pytest

from schemas.offer import Offer
from tests.train.report.making import made_up_pairs
from train.pairs.pairs import Pair
from train.report.slices import (
    MIN_MATCHES,
    MIN_PAIRS,
    Background,
    extremes,
    false_matches,
    hard_negatives,
    has_brand,
    has_pack_words,
    offer_keys,
    slice_masks,
    sliced,
)

NOTHING = Background(frozenset(), frozenset())


def offer(title: str, brand: str | None = None) -> Offer:
    return Offer(offer_id=title, source="shop", title=title, brand=brand)


@pytest.mark.parametrize(
    ("title", "holds"),
    [
        ("Batteries AA, pack of 4", True),
        ("AA batteries 12-pack", True),
        ("Starter Kit for printers", True),
        ("lens bundle", True),
        ("backpack blue", False),
        ("kitchen scale", False),
        ("asset tag printer", False),
    ],
)
def test_pack_words(title: str, holds: bool) -> None:
    assert has_pack_words(offer(title)) is holds


def test_a_brand_is_a_field_or_a_known_first_word() -> None:
    assert has_brand(offer("x", brand="Acme"), ())
    assert has_brand(offer("Acme drill"), {"acme"})
    assert not has_brand(offer("drill by acme"), {"acme"})


def test_each_group_of_slices_holds_every_pair_once() -> None:
    pairs = made_up_pairs(40)
    seen = frozenset(key for pair in pairs[:20] for key in offer_keys(pair)[0]) | offer_keys(pairs[0])[1]
    masks = slice_masks(pairs, Background(frozenset(), seen))
    groups = {name.partition(":")[0] for name in masks} - {"negatives"}
    for group in groups:
        total = np.sum([mask for name, mask in masks.items() if name.startswith(f"{group}:")], axis=0)
        assert total.tolist() == [1] * len(pairs), group
    assert masks["listings in training: both"].tolist() == [True] + [False] * 39
    assert masks["listings in training: one"].sum() == 19
    assert masks["brand: missing"].all()  # the right offers state none


def test_an_offer_is_known_by_title_or_by_id_within_its_set() -> None:
    pair = made_up_pairs(1, "here")[0]
    elsewhere = Pair("x", pair.left.model_copy(update={"title": "another"}), pair.right, 0, "elsewhere")
    assert not offer_keys(pair)[0] & offer_keys(elsewhere)[0]
    assert offer_keys(pair)[1] & offer_keys(elsewhere)[1]
    moved = Pair("y", elsewhere.left, pair.right, 0, "here")
    assert offer_keys(pair)[0] & offer_keys(moved)[0]


def test_hard_negatives_by_flag_and_by_words() -> None:
    flagged = made_up_pairs(8, "wdc-products")
    assert hard_negatives(flagged).tolist() == [n % 4 == 0 for n in range(8)]
    pairs = [
        Pair("1", offer("acme drill x"), offer("acme drill y"), 1, "a"),
        Pair("2", offer("acme drill x"), offer("acme drill z"), 0, "a"),
        Pair("3", offer("acme drill x"), offer("hose"), 0, "a"),
    ]
    assert hard_negatives(pairs).tolist() == [False, True, False]
    assert hard_negatives(pairs[1:]).tolist() == [False, False]  # no match to compare with
    rows = false_matches(pairs, np.array([1.0, 1.0, 0.0]), 0.5)
    assert (rows["hard"]["hits"], rows["hard"]["n"]) == (1, 1)
    assert (rows["other"]["hits"], rows["other"]["n"]) == (0, 1)


def test_f1_of_slices() -> None:
    pairs = made_up_pairs(40)
    chances = np.array([float(pair.label) for pair in pairs])
    rows = sliced(pairs, chances, 0.5, NOTHING)
    assert rows["brand: missing"]["f1"] == 1.0
    assert rows["brand: missing"]["n"] == 40
    assert rows["brand: on both sides"] == {"n": 0, "positives": 0}


def test_small_slices_are_neither_best_nor_worst() -> None:
    def row(f1: float, n: int = MIN_PAIRS, positives: int = MIN_MATCHES) -> dict[str, float]:
        return {"n": n, "positives": positives, "f1": f1}

    found = extremes(
        {"a": {"x": row(0.5), "y": row(0.1, n=MIN_PAIRS - 1)}, "b": {"x": row(0.9), "z": row(1, positives=1)}}
    )
    assert found["worst"] is not None
    assert found["best"] is not None
    assert (found["worst"]["set"], found["worst"]["slice"]) == ("a", "x")
    assert (found["best"]["set"], found["best"]["slice"]) == ("b", "x")
    assert extremes({}) == {"worst": None, "best": None}
