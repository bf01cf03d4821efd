from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from samesku.blocked import BlockedPools
from samesku.commands.train import app
from schemas.offer import Offer
from train.pairs.guard import Guard
from train.pairs.mining import MiningRule, count_by_origin, hidden_matches, mine, read_mined, write_mined
from train.pairs.pairs import Pair, PairFileError, read_pairs
from train.pairs.sources import TrainingSources

CAMERAS = [f"sony cyber-shot dsc-w{number} camera {colour}" for number in (110, 120, 130, 150) for colour in ("a", "b")]


def pair(left: tuple[str, str], right: tuple[str, str], label: int, origin: str = "here", **meta: object) -> Pair:
    sides = [
        Offer(offer_id=number, source=side, title=title)
        for side, (number, title) in zip(("left", "right"), (left, right), strict=True)
    ]
    return Pair(f"{left[0]}#{right[0]}", sides[0], sides[1], label, origin, dict(meta))


def catalogues(origin: str = "here") -> list[Pair]:
    """Two catalogues of eight cameras: each left one matches the right one of its number."""
    return [
        pair((f"l{number}", title), (f"r{number}", f"{title} new"), 1, origin) for number, title in enumerate(CAMERAS)
    ]


class InOrder:
    """Names every other offer of the pool in the order of the ids, and remembers what it was asked."""

    def __init__(self) -> None:
        self.pools: list[set[str]] = []

    def __call__(self, pool: Sequence[Offer], queries: Sequence[Offer], k: int) -> list[list[Offer]]:
        self.pools.append({offer.offer_id for offer in pool})
        ordered = sorted(pool, key=lambda offer: offer.offer_id)
        return [[offer for offer in ordered if offer.offer_id != query.offer_id][:k] for query in queries]


def ids(pairs: Sequence[Pair]) -> set[tuple[str, str]]:
    return {pair.id_key() for pair in pairs}


NOTHING = Guard.from_pairs([])


def test_two_catalogues_name_candidates_of_each_other() -> None:
    blocking = InOrder()
    mined = mine(catalogues(), blocking, NOTHING, MiningRule(per_offer=2))
    assert blocking.pools == [{f"r{n}" for n in range(8)}, {f"l{n}" for n in range(8)}]
    assert all(one.label == 0 and one.left.offer_id[0] == "l" and one.right.offer_id[0] == "r" for one in mined)
    assert not ids(mined) & ids(catalogues())
    assert len(ids(mined)) == len(mined)
    assert {("l0", "r1"), ("l0", "r2"), ("l2", "r0"), ("l2", "r1")} <= ids(mined)
    assert all(one.pair_id == f"mined:{one.left.offer_id}#{one.right.offer_id}" for one in mined)


def test_only_offers_whose_match_is_known_are_asked_for() -> None:
    pairs = [*catalogues()[:3], pair(("l9", "sony dsc-h1"), ("r9", "sony dsc-h2"), 0)]
    mined = mine(pairs, InOrder(), NOTHING, MiningRule(both_known=False))
    # l9 is no query, but as a candidate of matched ones it is mined; l9 with r9 is labelled already.
    assert ("l9", "r0") in ids(mined)
    assert ("l9", "r9") not in ids(mined)
    known = mine(pairs, InOrder(), NOTHING)
    assert known
    assert not {"l9", "r9"} & {name for names in ids(known) for name in names}


def test_what_is_one_product_by_way_of_others_is_not_mined() -> None:
    chain = [
        pair(("a", "sony one"), ("b", "sony two"), 1),
        pair(("c", "sony three"), ("b", "sony two"), 1),
        pair(("c", "sony three"), ("d", "sony four"), 1),
        pair(("e", "nikon"), ("f", "nikon new"), 1),
        pair(("g", "sony one"), ("h", "canon"), 1),
    ]
    mined = ids(mine(chain, InOrder(), NOTHING))
    assert not mined & {("a", "d"), ("d", "g")}
    assert {("a", "f"), ("d", "e")} <= mined


def test_cluster_ids_decide_where_they_are_stated() -> None:
    def clustered(left: int, right: int, label: int) -> Pair:
        titles = [(str(n), f"drive {n}") for n in (left, right)]
        return pair(titles[0], titles[1], label, "wdc", cluster_id_left=left // 10, cluster_id_right=right // 10)

    pairs = [clustered(10, 11, 1), clustered(11, 12, 1), clustered(13, 14, 1), clustered(20, 21, 1)]
    mined = mine(pairs, InOrder(), NOTHING)
    assert mined
    # 10..14 are one product although no chain of matches joins 10 and 13.
    assert all(left[0] != right[0] for left, right in ids(mined))
    assert "wdc" not in hidden_matches(pairs, InOrder())


def test_a_pool_without_product_ids_gives_only_pairs_whose_codes_conflict() -> None:
    offers = {
        name: (name, f"hp drive {code} {name}")
        for name, code in zip("abcdef", ["637414-b21"] * 4 + ["", "xy9901"], strict=True)
    }
    joined = [("a", "b"), ("b", "a"), ("c", "d"), ("e", "f")]
    pairs = [pair(offers[left], offers[right], 1) for left, right in joined]
    # c and d may be the product of a and b under another shop's name, and e says nothing; only f states another code.
    assert ids(mine(pairs, InOrder(), NOTHING)) == {(name, "f") for name in "abcd"}
    assert ("a", "c") in ids(mine(pairs, InOrder(), NOTHING, MiningRule(codes_differ=False)))


def test_the_guard_has_the_last_word() -> None:
    free = mine(catalogues(), InOrder(), NOTHING)
    guard = Guard.from_pairs(free[:3])
    assert ids(mine(catalogues(), InOrder(), guard)) == ids(free[3:])
    assert guard.dropped == {"here": 3}


def test_rank_counts_candidates_that_are_no_match() -> None:
    mined = mine(catalogues(), InOrder(), NOTHING, MiningRule(per_offer=8, depth=4))
    assert {one.meta["rank"] for one in mined} == {1, 2, 3, 4}


def test_hidden_matches_are_counted_when_they_are_mined() -> None:
    # Each product has one left and two right offers: hiding one match leaves the other known.
    double = [
        pair((f"l{number}", f"{title} {number}"), (f"r{number}{copy}", f"{title} {copy} {number}"), 1)
        for number, title in enumerate(CAMERAS)
        for copy in "xy"
    ]
    everything = MiningRule(per_offer=99, depth=99, both_known=False)
    ((origin, (mined, wrong)),) = hidden_matches(double, InOrder(), everything, share=0.5).items()
    assert origin == "here"
    assert 0 < wrong < mined
    assert hidden_matches(double, InOrder(), everything, share=0.0)["here"][1] == 0


def test_a_written_file_reads_as_it_was(tmp_path: Path) -> None:
    mined = mine([*catalogues("a"), *catalogues("b")], InOrder(), NOTHING)
    for name in ("m.jsonl", "m.jsonl.gz"):
        write_mined(tmp_path / name, mined)
        again = read_mined(tmp_path / name)
        assert [(p.pair_id, p.origin, p.left, p.right, p.label) for p in again] == [
            (p.pair_id, p.origin, p.left, p.right, p.label) for p in mined
        ]
    assert count_by_origin(again) == {"a": len(mined) // 2, "b": len(mined) // 2}


def test_a_file_of_other_pairs_is_refused(tmp_path: Path) -> None:
    write_mined(tmp_path / "m.jsonl", catalogues())
    with pytest.raises(PairFileError, match=r"m\.jsonl: pair l0#r0: not a mined negative"):
        read_mined(tmp_path / "m.jsonl")


def test_mined_pairs_keep_to_what_training_must_not_touch() -> None:
    mined = mine([*catalogues("a"), *catalogues("b")], InOrder(), NOTHING)
    guarded = next(one for one in mined if one.origin == "b" and "l0" not in one.id_key())
    sources = TrainingSources([], Guard.from_pairs([guarded]), held={"b": frozenset({"l0"})}, left_out=("a",))
    allowed = sources.allowed(mined)
    expected = [one for one in mined if one.origin == "b" and "l0" not in one.id_key() and one != guarded]
    assert ids(allowed) == ids([one for one in expected if one.id_key() != guarded.id_key()])
    assert sources.held_out["b"] > 0


def test_the_real_index_names_near_offers_and_forgets_other_pools(redis_url: str) -> None:
    blocking = BlockedPools(redis_url)
    first = [Offer(offer_id=str(n), source="s", title=title) for n, title in enumerate(CAMERAS)]
    query = Offer(offer_id="q", source="t", title="Sony DSC-W120 cyber-shot camera a")
    (found,) = blocking(first, [query], 3)
    assert [offer.offer_id for offer in found[:2]] == ["2", "3"]
    assert len(found) == 3
    other = [Offer(offer_id="x", source="s", title="nikon sony camera")]
    assert blocking(other, [query], 9) == [other]
    mined = mine(catalogues(), blocking, NOTHING, MiningRule(per_offer=1))
    # The nearest that is no match is the same model in the other colour.
    assert ("l0", "r1") in ids(mined)


def test_the_command_names_a_set_that_is_not_known(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMESKU_DATA", str(data_dir))
    result = CliRunner().invoke(app, ["mine", "--out", str(tmp_path / "m.jsonl.gz"), "--leave-out", "walmart"])
    assert result.exit_code != 0
    assert "no origin 'walmart' (known: abt-buy" in str(result.exception)


def test_the_command_mines_the_sets_that_are_left(
    tmp_path: Path, data_dir: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMESKU_DATA", str(data_dir))
    out = tmp_path / "m.jsonl.gz"
    left = [f"--leave-out={name}" for name in ("wdc-computers", "wdc-cameras", "wdc-products", "amazon-google")]
    options = ["--out", str(out), "--redis-url", redis_url, "--per-offer", "1", "--hold-products", "0.5"]
    result = CliRunner().invoke(app, ["mine", *options, *left])
    assert result.exit_code == 0, result.output
    mined = read_mined(out)
    assert count_by_origin(mined).keys() == {"abt-buy"}
    assert len(mined) > 100
    matches = {pair.id_key() for pair in read_pairs(data_dir / "abt-buy/test.jsonl.gz")}
    assert not ids(mined) & matches
