from __future__ import annotations

from pathlib import Path

from schemas.offer import Offer
from train.pairs.guard import Guard, held_out_files, validation_files
from train.pairs.mixture import Mixture
from train.pairs.pairs import Pair, read_pairs


def pair(left: str, right: str, ids: tuple[str, str] = ("1", "2"), origin: str = "here") -> Pair:
    sides = [Offer(offer_id=number, source="s", title=title) for number, title in zip(ids, (left, right), strict=True)]
    return Pair("p", sides[0], sides[1], 1, origin)


def test_a_pair_is_recognised_by_ids_or_by_titles_from_either_side() -> None:
    guard = Guard.from_pairs([pair("Canon EOS", "Nikon D90")])
    assert not guard.allows(pair("x", "y", ("2", "1")))
    assert not guard.allows(pair("nikon  d90", '"Canon EOS"@en', ("8", "9")))
    assert guard.allows(pair("canon eos", "nikon d80", ("8", "9")))
    assert guard.allows(pair("canon eos", "canon eos", ("1", "9")))


def test_what_is_dropped_is_counted_by_origin() -> None:
    guard = Guard.from_pairs([pair("a", "b")])
    kept = pair("c", "d", ("3", "4"))
    assert guard.filter([pair("a", "b", origin="x"), kept, pair("b", "a", ("5", "6"), "x")]) == [kept]
    assert guard.dropped == {"x": 2}


def test_no_training_pair_is_in_any_test_or_validation_file(data_dir: Path, mixture: Mixture) -> None:
    files = [*held_out_files(data_dir).values(), *validation_files(data_dir).values()]
    held_out = [pair for path in files for pair in read_pairs(path)]
    assert len(held_out) > 6_000
    ids = {pair.id_key() for pair in held_out}
    titles = {pair.title_key() for pair in held_out}
    assert not [item.pair.pair_id for item in mixture.pairs if item.pair.id_key() in ids]
    assert not [item.pair.pair_id for item in mixture.pairs if item.pair.title_key() in titles]
    # The overlaps are real: without the guard they would be trained on.
    assert set(mixture.dropped) == {"abt-buy", "amazon-google", "wdc-computers", "wdc-cameras"}
