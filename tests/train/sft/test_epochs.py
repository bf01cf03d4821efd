from __future__ import annotations

import pytest

from export.verify import frozen_pairs
from train.pairs.mixture import TrainingPair
from train.pairs.pairs import Pair
from train.rationales.verdicts import Targets
from train.sft.config import Augmentation, SftConfig
from train.sft.epochs import epoch_rows, repeated, run_rows
from train.sft.examples import Encoder
from train.sft.packing import Group

ITEMS = [
    TrainingPair(Pair(str(n), item.query, item.candidate, n % 2, ("often", "seldom")[n % 3 == 0]), Targets())
    for n, item in enumerate(frozen_pairs()[:20])
]


def ids(rows: list[list[Group]]) -> list[tuple[int, ...]]:
    return [example.prefix + example.suffix for row in rows for group in row for example in group.examples]


def test_pairs_of_an_origin_are_repeated_in_whole_copies_and_a_share() -> None:
    copies = list(repeated(ITEMS, {"often": 2.5, "seldom": 0.5}, seed=1, epoch=0))
    counts = [{name: sum(item.pair.origin == name for item in copy) for name in ("often", "seldom")} for copy in copies]
    often = sum(item.pair.origin == "often" for item in ITEMS)
    assert [count["often"] for count in counts[:2]] == [often, often]
    assert 0 < counts[2]["often"] < often
    assert 0 < counts[0]["seldom"] < len(ITEMS) - often
    assert counts[1]["seldom"] == counts[2]["seldom"] == 0
    assert list(repeated(ITEMS, {}, seed=1, epoch=0)) == [ITEMS]
    other = list(repeated(ITEMS, {"often": 0.5}, seed=1, epoch=1))
    assert other != list(repeated(ITEMS, {"often": 0.5}, seed=1, epoch=0))


def test_a_second_copy_is_seen_from_the_other_side(encoder: Encoder) -> None:
    config = SftConfig(keep_easy=1.0, both_ways=False, repeat={"often": 2, "seldom": 2})
    rows = epoch_rows(ITEMS, encoder, config, 0)
    queries = [example.prefix for row in rows for group in row for example in group.examples]
    offers = [offer for item in ITEMS for offer in (item.pair.left, item.pair.right)]
    assert sorted(queries) == sorted(encoder.prefix(offer) for offer in offers)


def test_epochs_differ_and_a_longer_run_begins_with_a_shorter_one(encoder: Encoder) -> None:
    config = SftConfig(
        keep_easy=1.0, max_steps=8, rows_per_step=2, row_tokens=200, augment=Augmentation(noise_share=1.0)
    )
    short, long = (
        run_rows(ITEMS, encoder, config),
        run_rows(ITEMS, encoder, config.model_copy(update={"max_steps": 20})),
    )
    assert len(long.rows) > len(short.rows) >= 16
    assert long.rows[: len(short.rows)] == short.rows
    assert long.epochs > 1
    assert ids(epoch_rows(ITEMS, encoder, config, 0)) != ids(epoch_rows(ITEMS, encoder, config, 2))
    assert long.examples == len(ids(long.rows))
    assert long.tokens == sum(group.tokens for row in long.rows for group in row)
    # Two processes see twice as many rows in as many steps.
    assert len(run_rows(ITEMS, encoder, config, processes=2).rows) >= 32


def test_epochs_end_a_run_before_its_steps_do(encoder: Encoder) -> None:
    made = run_rows(ITEMS, encoder, SftConfig(keep_easy=1.0, epochs=2, max_steps=10_000))
    assert made.epochs == 2
    with pytest.raises(ValueError, match="no pair is left to train on of 0 in the mixture"):
        run_rows([], encoder, SftConfig())
