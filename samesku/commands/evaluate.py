"""`samesku evaluate`: measure a bundle on labelled pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from samesku.errors import CommandError
from samesku.progress import BytesProgress
from schemas.bundle import BundleError
from schemas.settings import load_settings
from train.evaluation.evaluate import judge_pairs, report, swap_report
from train.pairs.pairs import PairFileError, read_pairs
from worker.student.locate import find_bundle
from worker.student.student import Student

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    pairs: Annotated[
        Path,
        typer.Argument(
            help="JSON Lines, CSV or Parquet: left and right as records or as columns (left_title ...), and a label."
        ),
    ],
    bundle: Annotated[str, typer.Option(help="Folder of a bundle, or 'default': the committed student.")] = "default",
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output instead of a table.")
    ] = False,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Instead of the bundle's own.")] = None,
    both_orders: Annotated[
        bool, typer.Option(help="Judge each pair from both sides and report how often it flips.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pairs.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; default: the setting student.threads.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Write pair id, label, logit and probability of each pair here.")
    ] = None,
) -> None:
    """Judge every pair with the serving engine; report precision, recall, F1 with its interval, and calibration."""
    console = Console(stderr=True)
    settings = load_settings()
    cache = settings.student.cache_dir
    try:
        rows = read_pairs(pairs)[:limit]
        with BytesProgress(console, "building the bundle") as building:
            folder = find_bundle(bundle, building, Path(cache) if cache else None)
        student = Student.load(folder, threads or settings.student.threads)
    except (PairFileError, BundleError) as error:
        raise CommandError(str(error)) from error
    if not rows:
        raise CommandError(f"{pairs} holds no pair")
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("judging", total=len(rows) * (2 if both_orders else 1))
        straight = judge_pairs(student, rows, progress=lambda done: progress.advance(task, done))
        swapped = (
            judge_pairs(student, rows, swap=True, progress=lambda done: progress.advance(task, done))
            if both_orders
            else None
        )
    found = report(straight, student.manifest, settings.policy, threshold)
    if swapped is not None:
        found["swap"] = swap_report(straight, swapped, found["threshold"])
    if scores is not None:
        lines = [
            orjson.dumps(
                {"pair_id": pair.pair_id, "label": pair.label, "logit": judged.logit, "probability": judged.probability}
            )
            for pair, judged in zip(rows, straight.judgements, strict=True)
            if judged is not None
        ]
        scores.write_bytes(b"\n".join(lines) + b"\n")
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode())
        return
    table = Table("measure", "value", title=f"{student.manifest.name} {student.manifest.version} on {pairs.name}")
    for name, value in found.items():
        table.add_row(name, str(value))
    Console().print(table)
