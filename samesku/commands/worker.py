"""`samesku worker`: serve until SIGTERM or Ctrl-C. Everything else is in `worker.stream`."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.settings import load_settings

app = typer.Typer(help="Judge every change of catalog.changes until told to stop.")


@app.command()
def serve(
    slot: Annotated[
        str | None,
        typer.Option(help="Name of this worker among its group, stable over restarts (kafka.slot)."),
    ] = None,
    bundle: Annotated[
        str | None,
        typer.Option(
            help="Folder of a bundle, or 'default' (student.bundle); counts until `samesku models` deploys one."
        ),
    ] = None,
) -> None:
    """Judge every change of catalog.changes until told to stop."""
    settings = load_settings(overrides={"kafka.slot": slot, "student.bundle": bundle})
    settings.need_kafka()
    settings.need_redis()
    # After the settings were found good: this imports the ONNX runtime.
    from worker.stream import run_worker

    run_worker(settings)
