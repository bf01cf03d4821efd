from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.offer import Offer
from train.pairs.mixture import build_mixture
from train.pairs.pairs import Pair
from train.pairs.products import (
    SPLIT_FILES,
    clusters_of,
    held_offers,
    held_offers_of,
    held_pairs,
    held_test_pairs,
    large_pairs,
    product_groups,
    read_split,
    report_pairs,
    stage_pairs,
    touching,
)

EDGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 1)), max_size=30)


def pair(left: int | str, right: int | str, label: int, titles: tuple[str, str] | None = None) -> Pair:
    names = titles or (f"title {left}", f"title {right}")
    sides = [
        Offer(offer_id=str(number), source=side, title=title)
        for number, side, title in zip((left, right), ("left", "right"), names, strict=True)
    ]
    return Pair(f"{left}#{right}", sides[0], sides[1], label, "here")


def test_a_product_is_what_matches_join() -> None:
    groups = product_groups([pair(1, 2, 1), pair(3, 2, 1), pair(1, 4, 0), pair(5, 6, 1)])
    assert groups == {"1": "1", "2": "1", "3": "1", "4": "4", "5": "5", "6": "5"}


def test_offers_of_the_same_title_are_never_split() -> None:
    groups = product_groups([pair(1, 2, 0, ("Canon EOS", "Nikon")), pair(3, 4, 0, ('"canon  eos"@en', "Sony"))])
    assert groups == {"1": "1", "2": "2", "3": "1", "4": "4"}


@given(EDGES)
def test_groups_are_the_finest_that_no_match_leaves(edges: list[tuple[int, int, int]]) -> None:
    pairs = [pair(*edge) for edge in edges]
    groups = product_groups(pairs)
    assert groups == product_groups(reversed(pairs))
    assert all(groups[name] == name for name in groups.values())
    for one in pairs:
        if one.label == 1:
            assert groups[one.left.offer_id] == groups[one.right.offer_id]
    # Finest: as many groups as a spanning forest of the matches leaves.
    merges = len(groups) - len(set(groups.values()))
    links = {one.id_key() for one in pairs if one.label == 1 and one.left.offer_id != one.right.offer_id}
    assert merges <= len(links)


def test_the_share_is_of_whole_groups_and_grows_with_it() -> None:
    groups = {str(offer): str(offer - offer % 2) for offer in range(4_000)}
    few, many = (held_offers(groups, "here", share, seed=17) for share in (0.1, 0.3))
    assert few < many
    assert 0.08 <= len(few) / len(groups) <= 0.12
    assert all((offer in few) == (groups[offer] in few) for offer in groups)
    assert held_offers(groups, "here", 0.1, seed=17) == few
    assert held_offers(groups, "here", 0.1, seed=18) != few
    assert held_offers(groups, "there", 0.1, seed=17) != few
    assert not held_offers(groups, "here", 0.0, seed=17)
    with pytest.raises(ValueError, match=r"at least 0 and below 1, not 1\.0"):
        held_offers(groups, "here", 1.0, seed=17)


def test_touching_with_one_offer_or_both() -> None:
    pairs = [pair(1, 2, 1), pair(1, 3, 0), pair(3, 4, 0)]
    assert touching(pairs, frozenset({"1", "2"}), both=True) == pairs[:1]
    assert touching(pairs, frozenset({"1", "2"}), both=False) == pairs[:2]


def test_a_set_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no set 'walmart' with splits \(known: abt-buy, "):
        held_pairs(tmp_path, "walmart", 0.2, 17)
    with pytest.raises(ValueError, match=r"leave_out: no origin 'walmart' \(known: abt-buy, .*wdc-products\)"):
        build_mixture(tmp_path, leave_out=["walmart"])


@pytest.mark.parametrize("origin", ["abt-buy", "wdc-cameras"])
def test_held_products_of_the_real_sets(data_dir: Path, origin: str) -> None:
    assert origin in SPLIT_FILES
    one = held_pairs(data_dir, origin, 0.2, 17, both=False)
    seen = [pair.id_key() for pairs in one.values() for pair in pairs]
    assert len(seen) == len(set(seen))
    matches = {offer.offer_id for pair in one["test"] if pair.label == 1 for offer in (pair.left, pair.right)}
    test = held_test_pairs(data_dir, origin, 0.2, 17)
    assert {pair.label for pair in test} == {0, 1}
    # A match joins its offers' groups, so that a held offer's matches are held whole.
    assert matches <= {offer.offer_id for pair in test for offer in (pair.left, pair.right)}
    assert {pair.id_key() for pair in test} < {pair.id_key() for pair in one["test"]}
    official = {pair.id_key() for pair in read_split(data_dir, origin, "test")}
    assert {pair.id_key() for pair in one["test"]} < official
    assert not {pair.id_key() for split, pairs in one.items() if split != "test" for pair in pairs} & official


def test_training_never_touches_what_is_held_or_left_out(data_dir: Path) -> None:
    mixture = build_mixture(data_dir, leave_out=["wdc-computers", "abt-buy"], hold_products=0.3)
    origins = Counter(item.pair.origin for item in mixture.pairs)
    assert set(origins) == {"amazon-google", "wdc-cameras", "wdc-products"}
    assert mixture.left_out == ("abt-buy", "wdc-computers")
    assert set(mixture.held_out) == {"amazon-google", "wdc-cameras"}
    for origin in mixture.held_out:
        held = held_offers_of(data_dir, origin, 0.3, 17)
        assert mixture.held_out[origin] > 500
        assert not touching([item.pair for item in mixture.pairs if item.pair.origin == origin], held, both=False)
    measured = {offer.offer_id for pair in report_pairs(data_dir) for offer in (pair.left, pair.right)}
    trained = {
        offer.offer_id
        for item in mixture.pairs
        if item.pair.origin == "wdc-products"
        for offer in (item.pair.left, item.pair.right)
    }
    assert not measured & trained


def test_report_products_with_their_hard_negatives(data_dir: Path) -> None:
    pairs = report_pairs(data_dir)
    kinds = Counter((pair.label, pair.meta["is_hard_negative"]) for pair in pairs)
    assert min(kinds[1, False], kinds[0, False], kinds[0, True]) > 40
    assert not kinds[1, True]
    assert all((clusters_of(pair)[0] == clusters_of(pair)[1]) == (pair.label == 1) for pair in pairs)
    others = {cluster for pair in stage_pairs(data_dir, "sft") for cluster in clusters_of(pair)}
    assert not others & {cluster for pair in pairs for cluster in clusters_of(pair)}


def test_the_large_file_by_product(data_dir: Path) -> None:
    sft, report = (large_pairs(data_dir, stage) for stage in ("sft", "report"))
    assert Counter(pair.label for pair in sft) == {1: 4_074, 0: 3_512}
    for pair in (*sft, *report):
        assert (clusters_of(pair)[0] == clusters_of(pair)[1]) == (pair.label == 1)
    assert not {title for pair in sft for title in pair.title_key()} & {
        title for pair in report for title in pair.title_key()
    }
    stated = {pair.title_key() for pair in report_pairs(data_dir)}
    assert not stated & {pair.title_key() for pair in report}
