from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from train.rl.arms import ABOUT, UnknownArmError, arm_config
from train.rl.config import PoolConfig, RlConfig, read_config
from train.rl.pool import hard_negatives, hardest_first, is_panel_product, panel_of
from train.sft.config import ConfigFileError

from .making import tiny_pool, training_pair


def test_the_hard_ones_come_first_and_easy_ones_are_spread_among_them() -> None:
    uncertainty = np.arange(100, dtype=np.float64)
    config = PoolConfig(limit=40, easy_share=0.25)
    order = hardest_first(uncertainty, config, seed=1)
    assert len(order) == len(set(order)) == 40
    hard = [number for number in order if number >= 70]
    assert hard == list(range(99, 69, -1))
    easy = [place for place, number in enumerate(order) if number < 70]
    assert len(easy) == 10
    assert max(np.diff(easy)) <= 5
    assert hardest_first(uncertainty, PoolConfig(limit=None), 1) == list(range(99, -1, -1))
    assert hardest_first(uncertainty, config, 2) != order


def test_hard_negatives_are_the_likest_listings_of_other_products() -> None:
    base = training_pair(0).pair

    def offer(name: str, title: str):  # type: ignore[no-untyped-def]
        return base.left.model_copy(update={"offer_id": name, "title": title, "brand": None, "model_number": None})

    listings = {
        "a1": "canon eos 70d body",
        "a2": "canon 70d eos camera",
        "b1": "canon eos 80d body",
        "c1": "lego duplo zoo",
    }
    offers = {name: offer(name, title) for name, title in listings.items()}
    pairs = [
        replace(
            base, pair_id=f"{one}#{other}", left=offers[one], right=offers[other], label=int(one[0] == other[0]),
            meta={"cluster_id_left": one[0], "cluster_id_right": other[0]},
        )
        for one, other in (("a1", "a2"), ("a1", "c1"), ("b1", "c1"))
    ]  # fmt: skip
    made = hard_negatives(pairs, 1)
    named = {frozenset((pair.left.offer_id, pair.right.offer_id)) for pair in made}
    assert frozenset(("a1", "b1")) in named
    assert all(pair.label == 0 and pair.meta["cluster_id_left"] != pair.meta["cluster_id_right"] for pair in made)
    assert not named & {frozenset((pair.left.offer_id, pair.right.offer_id)) for pair in pairs}
    assert hard_negatives(pairs, 0) == []


def test_the_panels_products_are_the_same_for_every_run() -> None:
    share = np.mean([is_panel_product(17, str(number), 0.2) for number in range(2_000)])
    assert share == pytest.approx(0.2, abs=0.03)
    one, other = panel_of([training_pair(0), training_pair(0), training_pair(1)]).products[:2]
    assert one == other
    assert tiny_pool().digest() == tiny_pool().digest() != tiny_pool(pairs=11).digest()


@pytest.mark.slow
def test_the_pool_holds_nothing_that_sft_or_a_test_has(data_dir: Path) -> None:
    from train.pairs.guard import Guard
    from train.pairs.products import clusters_of, stage_pairs
    from train.rl.pool import build_pool

    pool = build_pool(PoolConfig(large=False, negatives=1, edit_share=0.05), 40, 5, data_dir)
    guard = Guard.of_data(data_dir)
    assert all(guard.allows(item.pair) for item in pool.items)
    sft = {offer.offer_id for pair in stage_pairs(data_dir, "sft") for offer in (pair.left, pair.right)}
    seen = {offer.offer_id for item in pool.items for offer in (item.pair.left, item.pair.right)}
    assert not {name.removesuffix("~noisy") for name in seen} & sft
    own = [item for item in pool.panel.items if item.pair.origin == "wdc-products"]
    trained = {cluster for item in pool.items for cluster in clusters_of(item.pair)}
    assert own
    assert not trained & {cluster for item in own for cluster in clusters_of(item.pair)}
    assert pool.facts["panel_with_a_teacher"] > 0
    assert pool.facts["pairs"] == len(pool.items)


def test_every_arm_changes_what_its_name_says() -> None:
    config = RlConfig()
    arms = {arm: arm_config(config, arm, 3) for arm in ABOUT}
    assert len({arm.model_dump_json() for arm in arms.values()}) == len(ABOUT)
    assert {arm.seed for arm in arms.values()} == {3}
    assert arms["sft"].objective == "sft"
    assert arms["label"].reward.form == arms["label"].reward.judges == 0
    assert (arms["form"].reward.form, arms["form"].reward.judges) == (config.reward.form, 0)
    assert not arms["ungated"].reward.gating
    assert arms["no-kl"].beta == 0
    assert arms["swapped"].judges == config.held_out_judges
    for name in ("steps", "pool", "learning_rate", "first_layer", "rows_per_step"):
        assert len({str(getattr(arm, name)) for arm in arms.values()}) == 1
    with pytest.raises(UnknownArmError, match="no arm 'best': there are sft, label"):
        arm_config(config, "best", 1)


def test_a_recipe_is_read_and_its_mistakes_are_named(tmp_path: Path) -> None:
    shipped = read_config(Path(__file__).parents[3] / "train" / "recipes" / "rl.toml", steps=7)
    assert shipped.steps == 7
    assert (shipped.adapter / "adapter_config.json").is_file()
    for text, message in (
        ("stepz = 3", r"stepz: Extra inputs are not permitted \(valid keys: adapter"),
        ("[reward]\nlabel = -1", "reward.label"),
        ('form = "sentence"\nbeta = 0', "beta must be above 0 for the form sentence"),
        ('judges = ["a"]\nheld_out_judges = ["a"]', "a held-out judge must not be one of the reward's"),
        ('form = "feedback"\nobjective = "sft"', "control of the form parallel"),
        ("steps", "rl.toml"),
    ):
        path = tmp_path / "rl.toml"
        path.write_text(text)
        with pytest.raises(ConfigFileError, match=message):
            read_config(path)
