"""A retraining as stages: labels, SFT, export, calibration, report, the verdict, and the candidate in the registry.

Each stage is one command line (`train.stages`); what stands already is not done again, so a retraining that was stopped
goes on, and a scheduler may call it as often as it likes. The verdict is a stage that fails: nothing after it runs.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from train.release import Release, samesku, stages_of
from train.stages import Stage

LABELS, HELD, COUNTS, VERDICT = "labels.jsonl", "held.jsonl", "labels.json", "verdict.json"
RECIPE = "retrain.toml"
TIMES = 3.0
"""How often an epoch holds the new labels, against once for the old set: they are few and they are what changed."""


@dataclass(frozen=True)
class Retraining:
    """What a retraining is made from.

    Attributes:
        release: recipe, folder, name and version; its config is the derived recipe file (``derive_recipe``).
        live: bundle that decides now: a folder, a release's name or 'default'.
        labels: arguments of `samesku retrain labels` beyond ``--out``.
        register: whether the candidate enters the registry when it is better.
        shadow: whether it also starts to judge beside the live one.
        sample: pairs of each validation set that the verdict looks at; None: all.
    """

    release: Release
    live: str
    labels: tuple[str, ...] = ()
    register: bool = False
    shadow: bool = False
    sample: int | None = None


def derive_recipe(recipe: str, adapter: Path, folder: Path) -> str:
    """The text of a recipe that goes on from an adapter with the new labels among its pairs.

    Keys before any table, as TOML wants it. The recipe's own weight of the labels in `repeat` counts, else `TIMES`.

    Raises:
        ValueError: no TOML, or the recipe already says where it begins or what files it adds.
    """
    if taken := sorted(tomllib.loads(recipe).keys() & {"init", "files", "held_out_files"}):
        raise ValueError(f"{taken[0]}: a recipe for retraining must leave it out; it is the retraining that sets it")
    head = (
        f'init = "{adapter.resolve()}"\nfiles = ["{(folder / LABELS).resolve()}"]\n'
        f'held_out_files = ["{(folder / HELD).resolve()}"]\n\n'
    )
    if LABELS in tomllib.loads(recipe).get("repeat", {}):
        return head + recipe
    weight = f'[repeat]\n"{LABELS}" = {TIMES}\n'
    return head + (recipe.replace("[repeat]\n", weight) if "[repeat]\n" in recipe else f"{recipe}\n{weight}")


def retraining_stages(wanted: Retraining, data: Path, base: str, adapter: Path) -> list[Stage]:
    """All stages in their order.

    Args:
        wanted: what to make.
        data: the data folder.
        base: base model as the recipe names it.
        adapter: what training goes on from.
    """
    run, release = wanted.release.run, wanted.release
    labels, held, counts, verdict = (run / name for name in (LABELS, HELD, COUNTS, VERDICT))
    bundle = run / "bundle"
    first = Stage(
        "labels", samesku("retrain", "labels", "--out", str(run), *wanted.labels), [], [labels, held, counts],
        list(wanted.labels),
    )  # fmt: skip
    made = stages_of(release, data, base, adapter)
    trained = [
        Stage(stage.name, stage.command, [*stage.reads, labels, held], stage.writes, stage.values)
        if stage.name == "sft"
        else stage
        for stage in made
    ]
    sampled = ["--sample", str(wanted.sample)] if wanted.sample else []
    judged = Stage(
        "verdict",
        samesku("retrain", "verdict", "--old", wanted.live, "--new", str(bundle), "--held", str(held), "--out",
                str(verdict), *sampled),
        [bundle / "bundle.json", held, data],
        [verdict],
        [wanted.live, *sampled],
    )  # fmt: skip
    stages = [first, *trained, judged]
    if wanted.register:
        stages.append(Stage("register", samesku("models", "add", str(bundle)), [verdict, bundle / "bundle.json"]))
    if wanted.shadow:
        why = ("--reason", f"retrained: {verdict}")
        stages.append(
            Stage("shadow", samesku("models", "shadow", str(bundle), *why), [verdict, bundle / "bundle.json"])
        )
    return stages
