"""Abt-Buy as changes and as known pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.abt_buy import SPLITS, AbtBuy, first_offers, key_of, load_abt_buy, same_texts
from schemas.change import parse_change


@pytest.fixture(scope="module")
def whole(data_dir: Path) -> AbtBuy:
    return load_abt_buy(data_dir)


def test_every_offer_is_a_change_of_its_seller(whole: AbtBuy) -> None:
    changes = [parse_change(change.key, change.value) for change in whole.changes]
    assert len(changes) == 2_173
    assert [change.source for change in changes] == ["abt"] * 1_081 + ["buy"] * 1_092


def test_pairs_are_named_as_the_stream_names_them(whole: AbtBuy) -> None:
    keys = {change.key.decode() for change in whole.changes}
    assert all(keys.issuperset(pair.split("#")) for pair in whole.labelled)
    assert {split: len(whole.of_split(split)) for split in SPLITS} == {"test": 1_916, "valid": 1_916, "train": 5_743}


def test_known_matches_are_the_labelled_ones(whole: AbtBuy) -> None:
    labelled = {pair: row.split for pair, row in whole.labelled.items() if row.is_match}
    assert labelled == whole.known
    assert len(whole.known) == 1_028


def test_the_full_mapping_adds_matches(whole: AbtBuy) -> None:
    added = whole.truth - whole.known.keys()
    assert len(added) > 50
    assert not any(row.is_match for pair, row in whole.labelled.items() if pair in added)


def test_a_small_set_keeps_matches_and_only_whole_pairs(whole: AbtBuy) -> None:
    small = first_offers(whole, 60)
    keys = [change.key.decode() for change in small.changes]
    assert len(keys) == 60
    assert keys == [change.key.decode() for change in whole.changes if change.key.decode() in set(keys)]
    assert len(small.known) >= 25
    assert set(small.known.values()) == {"test"}
    for pairs in (small.labelled, small.known, small.truth):
        assert all(set(keys).issuperset(pair.split("#")) for pair in pairs)


def test_equal_texts_find_each_other_whatever_their_form() -> None:
    ours: list[dict[str, Any]] = [
        {"id": "a", "name": "sony switcher sbv40s", "description": None},
        {"id": "b", "name": "canon ink black", "description": "one pack"},
        {"id": "c", "name": "canon ink black", "description": "two packs"},
    ]
    theirs: list[dict[str, Any]] = [
        {"id": "1", "name": "Sony Switcher - SBV40S", "description": "other words"},
        {"id": "2", "name": "Canon Ink, Black", "description": "Two Packs"},
        {"id": "3", "name": "Canon Ink, Black", "description": "three packs"},
        {"id": "4", "name": "nothing like it", "description": None},
    ]
    assert same_texts(iter(theirs), iter(ours)) == {"1": "a", "2": "c"}


def test_a_pair_has_one_name() -> None:
    assert key_of("abt_1", "buy_2") == "abt:abt_1#buy:buy_2"
