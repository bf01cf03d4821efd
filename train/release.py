"""From the data folder to a released student: train, export, calibrate, bundle and report, as stages.

Every stage is one command line of `samesku`, the one that a person would give. Non-goal: deciding whether a student is
good enough; its report says how good it is.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from train.stages import Stage


@dataclass(frozen=True)
class Release:
    """What a release is made from.

    Attributes:
        config: recipe file.
        run: folder of everything that is made.
        name, version: of the student.
        recipe: folder of the recipe to be committed; default: ``run/recipe``.
        base: base model; default: the recipe file's.
        leave_out: sets that are each left out in a run of their own, for the report.
        hold_products: share of products held out in one more such run; 0: none.
        processes: of training.
        max_steps, limit: of training, instead of the recipe's.
        sample: pairs of each validation set that calibration looks at; default: all.
        both_orders_within: margin in nats within which the bundle judges a pair in both orders; default: never.
        report: further arguments of `samesku report`.
    """

    config: Path
    run: Path
    name: str
    version: str = "0.1.0"
    recipe: Path | None = None
    leave_out: tuple[str, ...] = ()
    hold_products: float = 0.0
    processes: int = 1
    base: str | None = None
    max_steps: int | None = None
    limit: int | None = None
    sample: int | None = None
    both_orders_within: float | None = None
    report: tuple[str, ...] = ()


def samesku(*arguments: str, processes: int = 1) -> list[str]:
    """The command line of a sub-command, under accelerate's launcher when it is to run in several processes."""
    if processes == 1:
        return [sys.executable, "-m", "samesku.cli", *arguments]
    launch = ["--multi_gpu", "--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no"]
    start = [sys.executable, "-m", "accelerate.commands.launch", *launch, "--dynamo_backend", "no"]
    return [*start, "--module", "samesku.cli", *arguments]


def stages_of(release: Release, data: Path, base: str, first: Path | None = None) -> list[Stage]:
    """The stages: train, runs with something held out, export, calibrate, facts into the bundle, report.

    Args:
        release: what to make.
        data: the data folder.
        base: base model as the recipe names it.
        first: recipe file or adapter folder that the recipe goes on from.
    """
    run = release.run
    recipe = release.recipe or run / "recipe"
    bundle, training = run / "bundle", run / "training.json"
    given: list[str] = []
    for name, value in (("base", release.base), ("max-steps", release.max_steps), ("limit", release.limit)):
        given += [] if value is None else [f"--{name}", str(value)]
    sources = [release.config, *([first] if first else []), data]
    adapter = run / "adapter"
    weights = [adapter / "adapter_model.safetensors", adapter / "adapter_config.json"]
    launched = ("--config", str(release.config), *given)
    stages = [
        Stage(
            "sft",
            samesku("train", "sft", *launched, "--out", str(run), processes=release.processes),
            sources,
            [*weights, training],
            [*given, str(release.processes)],
        )
    ]
    wanted = [(f"without-{origin}", ["--leave-out", origin]) for origin in release.leave_out]
    if release.hold_products:
        wanted.append(("by-product", ["--hold-products", str(release.hold_products)]))
    for name, what in wanted:
        folder = run / "runs" / name
        stages.append(
            Stage(
                f"holdout {name}",
                samesku(
                    "train", "holdout", *launched, *what, "--out", str(folder), "--publish-to", str(run / "holdout"),
                    processes=release.processes,
                ),
                sources,
                [run / "holdout" / f"{name}.json", run / "holdout" / f"{name}.jsonl.gz"],
                [*given, *what, str(release.processes)],
            )
        )  # fmt: skip
    model = [bundle / part for part in ("model.onnx", "model.onnx.data", "tokenizer.json")]
    facts = run / "facts.json"
    named = ["--name", release.name, "--version", release.version]
    sampled = ["--sample", str(release.sample)] if release.sample else []
    margin = release.both_orders_within
    orders = [] if margin is None else ["--both-orders-within", str(margin)]
    return [
        *stages,
        Stage(
            "export",
            samesku("export", str(adapter), "--out", str(bundle), "--recipe", str(recipe), "--base", base, *named),
            weights,
            [*model, recipe / "adapter" / "adapter_model.safetensors"],
            [base, *named],
        ),
        Stage(
            "calibrate",
            samesku("train", "calibrate", "--bundle", str(bundle), "--training", str(training), "--out", str(facts),
                    *sampled),
            [*model, training, data],
            [facts],
            sampled,
        ),
        Stage(
            "bundle",
            samesku("bundle", "update", str(bundle), str(recipe), "--quality", str(facts), *orders),
            [facts, *model],
            [bundle / "bundle.json", recipe / "bundle.json", recipe / "recipe.json"],
            orders,
        ),
        Stage(
            "report",
            samesku("report", "--bundle", str(bundle), "--out", str(run / "report"), "--holdout", str(run / "holdout"),
                    *release.report),
            [bundle / "bundle.json", data, *([run / "holdout"] if wanted else [])],
            [run / "report" / "report.json"],
            list(release.report),
        ),
    ]  # fmt: skip
