from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from train.release import Release
from train.retraining.stages import Retraining, derive_recipe, retraining_stages
from train.sft.config import read_config

RECIPE = Path(__file__).parents[3] / "train" / "recipes" / "retrain.toml"


def test_the_derived_recipe_goes_on_from_the_adapter_with_the_labels(tmp_path: Path) -> None:
    (tmp_path / "retrain.toml").write_text(derive_recipe(RECIPE.read_text(), tmp_path / "adapter", tmp_path))
    config = read_config(tmp_path / "retrain.toml")
    assert config.init == str(tmp_path / "adapter")
    assert config.files == (tmp_path / "labels.jsonl",)
    assert config.held_out_files == (tmp_path / "held.jsonl",)
    assert config.repeat["labels.jsonl"] > 1
    assert config.repeat["abt-buy"] == tomllib.loads(RECIPE.read_text())["repeat"]["abt-buy"]


def test_a_recipe_without_weights_gets_them(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(derive_recipe("max_steps = 3\n", tmp_path / "adapter", tmp_path))
    assert read_config(tmp_path / "r.toml").repeat == {"labels.jsonl": 3.0}


def test_the_recipes_own_weight_of_the_labels_stands(tmp_path: Path) -> None:
    own = 'max_steps = 3\n[repeat]\n"labels.jsonl" = 7.0\nabt-buy = 0.5\n'
    (tmp_path / "r.toml").write_text(derive_recipe(own, tmp_path / "adapter", tmp_path))
    assert read_config(tmp_path / "r.toml").repeat == {"labels.jsonl": 7.0, "abt-buy": 0.5}


def test_the_retrained_one_judges_in_both_orders_as_the_live_one_does(tmp_path: Path) -> None:
    def bundle_stage(margin: float | None) -> str:
        release = Release(
            config=tmp_path / "retrain.toml", run=tmp_path, name="s", version="1.0.0", both_orders_within=margin
        )
        stages = retraining_stages(Retraining(release, "default"), tmp_path, "default", tmp_path / "adapter")
        return " ".join(next(stage for stage in stages if stage.name == "bundle").command)

    assert bundle_stage(1.0).endswith("--both-orders-within 1.0")
    assert "--both-orders-within" not in bundle_stage(None)


def test_a_recipe_that_begins_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="init: a recipe for retraining must leave it out"):
        derive_recipe('init = "x"\n', tmp_path, tmp_path)


def test_nothing_is_registered_before_the_verdict(tmp_path: Path) -> None:
    release = Release(config=tmp_path / "retrain.toml", run=tmp_path, name="s", version="1.0.0")
    wanted = Retraining(release, "default", register=True, shadow=True)
    names = [stage.name for stage in retraining_stages(wanted, tmp_path, "default", tmp_path / "adapter")]
    assert names == [
        "labels", "sft", "export", "calibrate", "bundle", "report", "verdict", "register", "shadow",
    ]  # fmt: skip
    without = retraining_stages(Retraining(release, "default"), tmp_path, "default", tmp_path / "adapter")
    assert [stage.name for stage in without] == names[:-2]
    sft = next(stage for stage in without if stage.name == "sft")
    assert {tmp_path / "labels.jsonl", tmp_path / "held.jsonl"} <= set(sft.reads)
