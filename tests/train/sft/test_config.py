from __future__ import annotations

from pathlib import Path

import pytest

from train.sft.config import ConfigFileError, SftConfig, read_config

RECIPES = Path(__file__).parents[3] / "train" / "recipes"


@pytest.mark.parametrize("name", ["cpu", "cpu-fourth", "cpu-third", "cpu-second", "gpu"])
def test_the_recipes_that_come_with_the_project_are_valid(name: str) -> None:
    config = read_config(RECIPES / f"{name}.toml")
    assert config.augment.edit_share > 0
    assert config.average > 0
    assert config.evaluate_every > 0 or config.mix_init > 0, "which weights are kept must be said"
    assert not config.leave_out


def test_options_win_over_the_file_and_none_is_no_option(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("seed = 3\nmax_steps = 5\n[augment]\nnoise_share = 0.5\n")
    config = read_config(tmp_path / "my.toml", seed=4, max_steps=None)
    assert (config.seed, config.max_steps, config.augment.noise_share) == (4, 5, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 1", r"sead: Extra inputs are not permitted \(valid keys: .*seed"),
        ("average = 1.5", "average: Input should be less than 1"),
        ("[augment]\nnoise = 1", "augment.noise: Extra inputs"),
        ("patience = 2", "patience counts validations: it needs evaluate_every"),
        ("seed = ", "Invalid value"),
    ],
)
def test_a_bad_recipe_is_refused_by_file_and_key(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(text)
    with pytest.raises(ConfigFileError, match=rf"my\.toml: .*{message}"):
        read_config(tmp_path / "my.toml")


def test_a_run_must_have_an_end() -> None:
    with pytest.raises(ValueError, match="max_steps or epochs must say when the run ends"):
        SftConfig(max_steps=None)
