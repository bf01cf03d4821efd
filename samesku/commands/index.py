"""`samesku index check`: does the index hold what the topics say?"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import orjson
import redis
import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import Progress, TaskID

from samesku.errors import CommandError
from samesku.indexing.check import IndexCheck
from samesku.indexing.compare import MEANING
from schemas.settings import load_settings
from worker.blocking.errors import BlockingError
from worker.replay.errors import ReplayError
from worker.stream.errors import StreamError
from worker.stream.startup import look_around, open_index

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The index in Redis, held against the topics.")

SHOWN = 20


@app.callback()
def main() -> None:
    """The index in Redis, held against the topics that it is made from."""


@app.command()
def check(
    rounds: Annotated[int, typer.Option(min=1, help="Look so often at what seems wrong before it counts.")] = 5,
    pause: Annotated[float, typer.Option(min=0, help="Seconds between two looks.")] = 2.0,
    limit: Annotated[int, typer.Option(min=1, help="Show so many faults of a kind.")] = SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Compare offers and links of the index with catalog.offers and match.decisions, while workers run.

    Exit code 1 where something is wrong. Both topics are read from their start: minutes for many millions of records.
    """
    settings = load_settings()
    settings.need_kafka()
    console = Console(stderr=True)
    try:
        generation = look_around(settings).generation
        index = open_index(settings)
        index.adopt(f"{generation}-{index.format}")
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            found = IndexCheck(settings.kafka, index, rounds, pause, _Shown(progress)).run()
    except (ReplayError, StreamError, BlockingError, redis.RedisError, KafkaException) as error:
        raise CommandError(str(error)) from error
    counts = Counter(fault.kind for fault in found.faults)
    if as_json:
        faults = [
            {"kind": fault.kind, "key": fault.key, "other": fault.other or None, "detail": fault.detail}
            for fault in found.faults
        ]
        report = {"offers": found.offers, "links": found.pairs, "rounds": found.rounds, "faults": faults}
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        for kind, count in counts.items():
            typer.echo(f"{count} {kind}: {MEANING[kind]}")
            for fault in [fault for fault in found.faults if fault.kind == kind][:limit]:
                typer.echo(f"  {fault.key}{f' - {fault.other}' if fault.other else ''}: {fault.detail}")
        typer.echo(f"{found.offers} offers, {found.pairs} linked pairs, {len(found.faults)} faults", err=bool(counts))
    if counts:
        raise typer.Exit(1)


class _Shown:
    """A bar for each thing that is read."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[tuple[str, int], TaskID] = {}

    def __call__(self, what: str, more: int, total: int) -> None:
        if (what, total) not in self._tasks:
            self._tasks[what, total] = self._progress.add_task(what, total=total)
        self._progress.advance(self._tasks[what, total], more)
