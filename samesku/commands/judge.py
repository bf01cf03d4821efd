"""`samesku judge`: train judges, measure them, write their page, and watch them in production."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.status import Status

from samesku.errors import CommandError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Models that judge a rationale's claims: trained, measured, admitted or refused, and watched.",
)
console = Console(stderr=True)

JudgeSet = Annotated[Path, typer.Argument(help="Folder of a set: one folder a judge.")]
Only = Annotated[str | None, typer.Option(help="One judge alone: core_identity, model_identifier, variant_conflict.")]


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a file or a value is the user's to mend: said without a traceback."""
    from train.judges.admission import JudgeRefused
    from train.judges.interface import JudgeFileError
    from train.judges.limits import LimitsError
    from train.judges.page import PageError
    from train.judges.prompted import JudgeUnavailable
    from train.judges.recipe import RecipeError
    from train.pairs.pairs import PairFileError

    known = (
        JudgeRefused, JudgeFileError, JudgeUnavailable, LimitsError, PageError, PairFileError, RecipeError, OSError
    )  # fmt: skip
    try:
        yield
    except known as error:
        raise CommandError(str(error)) from error


def _names(only: str | None) -> tuple[Any, ...]:
    from train.judges.interface import JUDGE_NAMES

    if only is None:
        return JUDGE_NAMES
    if only not in JUDGE_NAMES:
        raise CommandError(f"--only {only!r}: no such judge (valid: {', '.join(JUDGE_NAMES)})")
    return tuple(name for name in JUDGE_NAMES if name == only)


def _shown(status: Status, name: str, line: str) -> None:
    status.update(f"{name}: {line}")


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder of the set; each judge gets a folder in it.", file_okay=False)],
    config: Annotated[Path | None, typer.Option(help="Recipe (TOML), as train/recipes/judges.toml.")] = None,
    only: Only = None,
    body: Annotated[str | None, typer.Option(help="minilm, smollm2, or none: evidence alone.")] = None,
    clusters: Annotated[str | None, typer.Option(help="WDC stage whose products are used: sft, rl, judges.")] = None,
    teacher: Annotated[str | None, typer.Option(help="Whose rationales' verdicts are claims: gpt-4o-mini.")] = None,
    per_kind: Annotated[int | None, typer.Option(min=1, help="Preferences of each kind.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Over the preferences, with text.")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of the processor.")] = 1,
) -> None:
    """Train local judges on right claims against corrupted ones. Interrupted, the same command goes on."""
    import torch

    from train.judges.recipe import read_recipe
    from train.judges.training import train_judge

    torch.set_num_threads(threads)
    names = _names(only)
    with _told():
        recipe = read_recipe(
            config, body=body, clusters=clusters, teacher=teacher, per_kind=per_kind, epochs=epochs, seed=seed
        )
        for name in names:
            began = time.monotonic()
            with console.status(f"{name}: reading") as status:
                train_judge(name, recipe, out / name, progress=partial(_shown, status, name))
            console.print(f"{name}: {out / name} ({time.monotonic() - began:.0f} s)", highlight=False)


@app.command()
def validate(
    folder: JudgeSet,
    only: Only = None,
    against: Annotated[Path | None, typer.Option(help="Another set, to measure agreement with.")] = None,
    per_kind: Annotated[int, typer.Option(min=1, help="Cases of each kind.")] = 300,
    attacks: Annotated[int, typer.Option(min=1, help="Claims of a wrong verdict that are searched over.")] = 80,
    seed: Annotated[int, typer.Option(help="Of the cases; not one that was looked at while judges were made.")] = 23,
    limits: Annotated[Path | None, typer.Option(help="TOML; default: train/judges/limits.toml.")] = None,
) -> None:
    """Measure judges on products that none was trained on, and write validation.json beside each.

    Exit code 1 when one is beyond its limits.
    """
    from samesku.judging.measuring import measure_set

    with _told():
        refused = measure_set(
            folder, _names(only), against, per_kind=per_kind, attacks=attacks, seed=seed, limits=limits,
            said=lambda line: console.print(line, highlight=False),
        )  # fmt: skip
    for line in refused:
        console.print(f"refused: {line}", style="red", highlight=False)
    if refused:
        raise typer.Exit(1)


@app.command()
def report(
    folder: JudgeSet,
    heldout: Annotated[Path | None, typer.Option(help="The set that only watches.")] = None,
    into: Annotated[Path | None, typer.Option(help="A page with the two marks, to put the tables into.")] = None,
    limits: Annotated[Path | None, typer.Option(help="TOML; default: train/judges/limits.toml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The validations as JSON on standard output.")] = False,
) -> None:
    """The tables of what `validate` measured: on standard output, or into a page."""
    from train.judges.admission import judge_folders
    from train.judges.limits import DEFAULT, read_limits
    from train.judges.page import tables, write_page
    from train.judges.validation import read_validation

    with _told():
        sets = []
        for title, root in (("Judges of the reward", folder), ("Held-out judges", heldout)):
            found = [read_validation(each) for each in judge_folders(root)] if root is not None else []
            if root is not None and None in found:
                raise CommandError(f"{root}: not every judge is validated; run `samesku judge validate {root}`")
            if found:
                sets.append((title, [each for each in found if each is not None]))
        if as_json:
            typer.echo(
                orjson.dumps(
                    {title: [each.model_dump(mode="json") for each in found] for title, found in sets}
                ).decode()
            )
            return
        text = tables(sets, read_limits(limits or DEFAULT))
        if into is None:
            typer.echo(text)
        else:
            write_page(into, text)


@app.command()
def watch(
    judges: Annotated[Path, typer.Option(help="Folder of the set.")] = Path("models/judges"),
    state: Annotated[Path, typer.Option(help="Where the watch stands; made if missing.")] = Path("judge-watch.json"),
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the decisions, by a hash of their id.")] = 0.02,
    agreement: Annotated[float, typer.Option(min=0, max=1, help="With people's labels; alarm below.")] = 0.75,
    every: Annotated[float | None, typer.Option(min=0.1, help="Seconds between looks; default: one look.")] = None,
    metrics_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Prometheus metrics.")] = None,
    metrics_host: Annotated[str, typer.Option(help="Address that metrics are served on.")] = "127.0.0.1",
    publish: Annotated[bool, typer.Option(help="Write match.opinions, match.review and match.drift.")] = True,
) -> None:
    """Judge a share of the decisions: an opinion each to match.opinions, doubtful pairs to people, and how often the
    judges agree with people's labels: a metric, and an alarm on match.drift.

    Only admitted judges are asked. Prints one JSON object a look. Exit code 1 when a single look ends in an alarm.
    """
    from samesku.judging.watcher import Watcher, WatchStateError
    from schemas.events import UnknownMajorVersion
    from schemas.settings import load_settings
    from train.judges.admission import admit, judge_folders
    from train.judges.watch import WatchPolicy
    from worker.replay.errors import ReplayError
    from worker.stream.errors import StreamError
    from worker.stream.logs import configure

    settings = load_settings()
    settings.need_kafka()
    if share == 0:
        raise CommandError("--share 0: nothing would be watched; valid: above 0, at most 1")
    with _told():
        loaded = admit(judge_folders(judges))
    try:
        watcher = Watcher(
            settings,
            loaded,
            WatchPolicy(share=share, agreement=agreement),
            state,
            configure(settings.log, sys.stderr),
            publish=publish,
        )
        if metrics_port is not None:
            from prometheus_client import start_http_server

            start_http_server(metrics_port, addr=metrics_host, registry=watcher.metrics.registry)
        while True:
            found = watcher.once()
            typer.echo(
                orjson.dumps({
                    "judged": found.judged, "opinions": len(found.opinions), "tasks": len(found.tasks),
                    "alarms": watcher.alarms,
                    "agreement": {name: counts.model_dump() for name, counts in watcher.state.tallies.items()},
                }).decode()
            )  # fmt: skip
            if every is None:
                break
            time.sleep(every)
    except (WatchStateError, ReplayError, StreamError, UnknownMajorVersion) as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        return
    if watcher.alarms:
        raise typer.Exit(1)
