"""The arms of the ablation: what each changes of one common recipe, and their runs, one after another and resumable.

All arms begin at the same SFT student, see the same rows of the same pool in the same order, and take the same steps;
only the objective differs. So the control, SFT that goes on, has the same data and the same compute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from train.judges.interface import Judge
from train.rl.config import RlConfig
from train.rl.pool import Pool
from train.rl.recipe import run_rl

START = "start"
"""The SFT student itself, which is measured beside the arms."""
CONTROL = "sft"
ON_CPU = ("sft", "label", "full")
ABOUT: dict[str, str] = {
    "sft": "SFT goes on (the control)",
    "label": "RL, label only",
    "form": "RL, label and form",
    "full": "RL, full reward",
    "ungated": "full, without gating",
    "no-kl": "full, without KL",
    "swapped": "full, judges swapped",
}
Say = Callable[[str], None]


class UnknownArmError(ValueError):
    """A name that is none of the arms'; the message names those there are."""


def arm_config(config: RlConfig, arm: str, seed: int) -> RlConfig:
    """The recipe of one arm and seed.

    Raises:
        UnknownArmError: there is no such arm.
    """
    reward: dict[str, Any] = {}
    changed: dict[str, Any] = {"seed": seed}
    if arm == "sft":
        changed["objective"] = "sft"
    elif arm == "label":
        reward = {"form": 0.0, "judges": 0.0}
    elif arm == "form":
        reward = {"judges": 0.0}
    elif arm == "ungated":
        reward = {"gating": False}
    elif arm == "no-kl":
        changed["beta"] = 0.0
    elif arm == "swapped":
        changed |= {"judges": config.held_out_judges, "held_out_judges": config.judges}
    elif arm != "full":
        raise UnknownArmError(f"no arm {arm!r}: there are {', '.join(ABOUT)}")
    values = config.model_dump() | changed
    values["reward"] = config.reward.model_dump() | reward
    return RlConfig.model_validate(values)


def folder_of(out: Path, arm: str, seed: int) -> Path:
    """Where an arm's run of a seed is kept."""
    return out / "arms" / f"{arm}-{seed}"


def run_arms(
    config: RlConfig,
    out: Path,
    arms: Sequence[str],
    seeds: Sequence[int],
    *,
    judges: tuple[Sequence[Judge], Sequence[Judge]],
    pool: Pool,
    cache: Path,
    say: Say = lambda text: None,
) -> Mapping[tuple[str, int], Path]:
    """Run every arm of every seed that is not finished; returns their adapters. Seeds are the outer loop.

    So an ablation that is stopped early has all arms of its first seeds.

    Raises: as :func:`train.rl.recipe.run_rl`, and UnknownArmError.
    """
    recipes = {(arm, seed): arm_config(config, arm, seed) for seed in seeds for arm in arms}
    adapters = {}
    for (arm, seed), recipe in recipes.items():
        say(f"{ABOUT[arm]}, seed {seed}")
        given = (judges[1], judges[0]) if arm == "swapped" else judges
        adapters[arm, seed] = run_rl(recipe, folder_of(out, arm, seed), judges=given, pool=pool, cache=cache, say=say)
    return adapters
