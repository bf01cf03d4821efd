"""`samesku suite`: what happens to a bundle's verdicts when the listings are changed in a known way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from samesku.errors import CommandError
from samesku.progress import BytesProgress
from schemas.bundle import BundleError
from schemas.settings import load_settings
from train.evaluation.suites.bench import held_out
from train.evaluation.suites.run import DEFAULT_CASES, SUITES, Sizes, SuiteName, run_suites
from train.pairs.pairs import PairFileError
from worker.student.locate import find_bundle
from worker.student.student import Student

Which = Literal["flips", "noise", "swap", "injection", "all"]

app = typer.Typer(add_completion=False)


@app.command()
def suite(
    name: Annotated[Which, typer.Argument(help="Which suite.")] = "all",
    bundle: Annotated[str, typer.Option(help="Folder of a bundle, or 'default': the committed student.")] = "default",
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output instead of a table.")
    ] = False,
    cases: Annotated[
        int, typer.Option(min=1, help="Cases of each main kind; the default takes about five minutes on two cores.")
    ] = DEFAULT_CASES,
    seed: Annotated[int, typer.Option(help="Of every choice.")] = 17,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; default: the setting student.threads.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="End with 1 when a target is missed.")] = False,
) -> None:
    """Change held-out listings in known ways and report what happens to the verdicts, with the targets.

    flips: one attribute changed. noise: seller noise. swap: offers exchanged. injection: instructions in the text.
    """
    console = Console(stderr=True)
    settings = load_settings()
    cache = settings.student.cache_dir
    names: tuple[SuiteName, ...] = SUITES if name == "all" else (name,)
    try:
        sets = held_out()
        with BytesProgress(console, "building the bundle") as building:
            folder = find_bundle(bundle, building, Path(cache) if cache else None)
        student = Student.load(folder, threads or settings.student.threads)
    except (PairFileError, BundleError) as error:
        raise CommandError(str(error)) from error
    columns = SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("pairs judged", total=None)
        found = run_suites(
            student,
            sets,
            policy=settings.policy,
            names=names,
            sizes=Sizes.of(cases),
            seed=seed,
            progress=lambda done: progress.advance(task, done),
        )
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode())
    else:
        table = Table("suite", "rate", "n", "value", "95% interval", "target", title=f"{student.manifest.name}")
        for row in rows(found):
            table.add_row(*row)
        Console().print(table)
    if check and not found["all_met"]:
        raise typer.Exit(1)


def rows(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Every rate of a report: suite, name, n, value, interval, and its target where it has one."""
    for suite_name in SUITES:
        if suite_name in found:
            yield from _rows(suite_name, (), found[suite_name], found[suite_name]["targets"])


def _rows(suite_name: str, path: tuple[str, ...], entry: Any, targets: Any) -> Iterator[tuple[str, ...]]:
    if not isinstance(entry, dict):
        return
    if "rate" in entry:
        value = "-" if entry["rate"] is None else f"{entry['rate']:.1%}"
        yield (
            suite_name,
            " ".join(path),
            str(entry["n"]),
            value,
            f"{entry['low']:.1%} to {entry['high']:.1%}",
            _target(targets, path),
        )
        return
    for name, inner in entry.items():
        if name != "targets":
            yield from _rows(suite_name, (*path, name), inner, targets)


def _target(targets: Any, path: tuple[str, ...]) -> str:
    """The target of a rate: it stands under the rate's own name, below its kind where it has one."""
    found = targets
    for name in path:
        if name not in ("kinds", "form"):
            found = found.get(name, {})
    if "met" not in found:
        return ""
    return f"{found['side']} {found['bound']:.0%}: {'met' if found['met'] else 'MISSED'}"
