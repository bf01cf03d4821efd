"""`samesku train rl` and `samesku train ablate`: reinforcement learning with admitted judges, and its ablation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from samesku.errors import CommandError

Recipe = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Recipe (TOML), as train/recipes/rl.toml.")
]
Cache = Annotated[
    Path | None,
    typer.Option(file_okay=False, help="Activations and judges' scores, to be shared by runs; default: OUT/cache."),
]


@contextmanager
def _refusals() -> Iterator[None]:
    """What can go wrong in a known way ends with its message alone."""
    from export.base import BaseModelError
    from train.judges.admission import JudgeRefused
    from train.pairs.pairs import PairFileError
    from train.sft.config import ConfigFileError

    try:
        yield
    except ConfigFileError as error:
        raise typer.BadParameter(str(error)) from error
    except (BaseModelError, PairFileError, JudgeRefused, ValueError) as error:
        raise CommandError(str(error)) from error


def rl(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the run: checkpoints, adapter, training.json.")],
    config: Recipe = None,
    adapter: Annotated[Path | None, typer.Option(file_okay=False, help="The SFT adapter to begin at.")] = None,
    base: Annotated[str | None, typer.Option(help="As of `sft`.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of training; the schedule ends with them.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.001, help="End cleanly after so much training time.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the order of rows.")] = None,
    cache: Cache = None,
) -> None:
    """Reinforcement learning from an SFT adapter. A run that was stopped goes on from its last checkpoint.

    Judges are admitted first: one that is below a limit, or was never validated, is refused by name and number.
    """
    from train.rl.config import read_config
    from train.rl.recipe import run_rl
    from train.rl.sampled import run_sampled

    console = Console(stderr=True, highlight=False)
    with _refusals():
        given = read_config(config, adapter=adapter, base=base, steps=steps, minutes=minutes, seed=seed)
        run = run_rl if given.form == "parallel" else run_sampled
        with console.status("judges are admitted") as status:
            made = run(given, out, cache=cache, say=status.update)
    typer.echo(made)


def ablate(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the arms' runs, the table and the plot.")],
    config: Recipe = None,
    arms: Annotated[
        str, typer.Option(help="sft, label, form, full, ungated, no-kl, swapped; joined by commas, or 'all'.")
    ] = "sft,label,full",
    seeds: Annotated[str, typer.Option(help="Seeds, joined by commas.")] = "1,2,3",
    minutes: Annotated[float | None, typer.Option(min=0.001, help="Of training, for each arm and seed.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each arm and seed.")] = None,
    pairs: Annotated[int | None, typer.Option(min=20, help="Of each validation and test set, a seeded sample.")] = 400,
    everything: Annotated[bool, typer.Option("--all", help="Measure on the whole sets instead.")] = False,
    judged: Annotated[int, typer.Option(min=0, help="Pairs of each set that the held-out judge is asked about.")] = 150,
    adapter: Annotated[Path | None, typer.Option(file_okay=False, help="The SFT adapter to begin at.")] = None,
    cache: Cache = None,
) -> None:
    """Run the arms of the ablation that are not finished, and write one table with intervals and one plot."""
    from train.rl.ablation import PAGE, Plan, run_ablation
    from train.rl.arms import ABOUT
    from train.rl.config import read_config

    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"--seeds must be whole numbers joined by commas, not {seeds!r}") from error
    chosen = list(ABOUT) if arms == "all" else [arm.strip() for arm in arms.split(",")]
    plan = Plan(chosen, numbers, None if everything else pairs, judged)
    console = Console(stderr=True, highlight=False)
    with _refusals():
        given = read_config(config, steps=steps, minutes=minutes, adapter=adapter)
        with console.status("judges are admitted") as status:
            page = run_ablation(given, out, plan, cache=cache, say=status.update)
    console.print(page.read_text(encoding="utf-8"))
    typer.echo(out / PAGE)


def mount(app: typer.Typer) -> None:
    """Add both commands to `samesku train`."""
    app.command()(rl)
    app.command()(ablate)
