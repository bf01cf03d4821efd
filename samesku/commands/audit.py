"""`samesku audit …`: fill the audit store, ask it, keep it small, and keep it honest."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from samesku.errors import CommandError
from schemas.sections import AuditSettings
from schemas.settings import ConfigError, load_settings

if TYPE_CHECKING:
    from worker.audit.store import AuditStore

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="The audit store: every decision with all that made it."
)

Root = Annotated[str | None, typer.Option("--root", help="Folder or URL of the store (audit.root).")]


@contextmanager
def opened(root: str | None) -> Iterator[tuple[AuditStore, AuditSettings]]:
    """The store, its failures told as the user's: what is wrong and what to do."""
    settings = load_settings(overrides={"audit.root": root}).audit
    import duckdb

    from worker.audit.errors import AuditError
    from worker.audit.store import AuditStore

    try:
        yield AuditStore(settings.root, memory_mb=settings.memory_mb, threads=settings.threads), settings
    except AuditError as error:
        raise CommandError(str(error)) from error
    except duckdb.Error as error:
        raise CommandError(f"DuckDB: {error}") from error
    except OSError as error:
        raise CommandError(f"{settings.root}: {error}") from error


@app.command()
def sink(root: Root = None) -> None:
    """Keep every decision, offer content and label, each exactly once, until told to stop.

    Any number of sinks share the partitions. Each goes on where the files end.
    """
    settings = load_settings(overrides={"audit.root": root})
    settings.need_kafka()
    from worker.audit.running import run_sink

    run_sink(settings)


@app.command()
def query(
    statement: Annotated[str, typer.Argument(metavar="SQL", help="DuckDB's SQL; `SHOW TABLES` names the views.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Rows of a table on the screen; 0: all.")] = 100,
    root: Root = None,
) -> None:
    """Ask the store with SQL. Views: decisions, standing, offer_versions, contents, labels, unreadable, erasures."""
    from samesku.audit.answers import answer, print_rows

    with opened(root) as (store, _):
        print_rows(answer(store, statement), as_json=as_json, as_csv=as_csv, limit=limit)


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="FILE.jsonl (the events as published), .parquet or .csv.", dir_okay=False)],
    where: Annotated[str, typer.Option(help="SQL condition on the columns of the view decisions.")] = "true",
    root: Root = None,
) -> None:
    """Write decisions to a file: byte for byte as published, or as columns."""
    from samesku.audit.answers import export_decisions

    with opened(root) as (store, _):
        count = export_decisions(store, out, where)
    typer.echo(f"{count} decisions in {out}", err=True)


@app.command()
def compact(
    full: Annotated[bool, typer.Option(help="Everything of a partition into one sorted run.")] = False,
    root: Root = None,
) -> None:
    """Merge files and remove what no longer counts. Sinks do the small merges themselves; this may run beside them."""
    from rich.progress import track

    from worker.audit.compaction import compact as merge
    from worker.audit.erasing import mend
    from worker.audit.tables import TABLES

    with opened(root) as (store, settings):
        store.info()
        places = [(table, number) for table in TABLES.values() for number in store.partitions(table)]
        console = Console(stderr=True)
        gone = sum(
            merge(store, table, number, fan=settings.fan, part_rows=settings.part_rows, full=full)
            for table, number in track(
                places, description="compacting", console=console, disable=not console.is_terminal, transient=True
            )
        )
        mend(store, settings.part_rows)
    typer.echo(f"{gone} files fewer in {len(places)} partitions")


@app.command()
def expire(
    days: Annotated[
        float | None, typer.Option(min=0, help="Drop decisions older than this (audit.retention_days).")
    ] = None,
    standing_too: Annotated[
        bool, typer.Option("--standing-too", help="Also a pair's standing decision, when it is as old.")
    ] = False,
    root: Root = None,
) -> None:
    """Drop old decisions. What stands is kept, with the contents that it is about."""
    from worker.audit.retention import expire as drop

    with opened(root) as (store, settings):
        kept = settings.retention_days if days is None else days
        if kept is None:
            raise CommandError("give --days, or set audit.retention_days")
        done = drop(store, datetime.now(UTC) - timedelta(days=kept), settings.part_rows, standing_too=standing_too)
    typer.echo(f"dropped {done.decisions} decisions and {done.offers} versions of offers")


@app.command()
def erase(
    offer: Annotated[str, typer.Argument(help="source:offer_id, as in the Kafka key.")],
    reason: Annotated[str, typer.Option(help="Why, for the log.")],
    by: Annotated[str | None, typer.Option(help="Who asks for it, for the log; default: the user's name.")] = None,
    root: Root = None,
) -> None:
    """Erase one offer's text for good: its contents, and the sentences and quotes of decisions about them.

    The entry in the log stays. The Kafka topics still hold the text: docs/audit.md says what to do there.
    """
    from worker.audit.erasing import erase as blank

    with opened(root) as (store, settings):
        try:
            done = blank(store, offer, by or getpass.getuser(), reason, datetime.now(UTC), settings.part_rows)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="OFFER") from error
    typer.echo(
        f"erased: {done.contents} contents and the texts of {done.decisions} decisions; "
        f"{len(done.entry.digests)} digests are barred (log entry {done.entry.erasure_id})"
    )
    if done.remaining:
        raise CommandError(f"{done.remaining} rows still hold text, since files came meanwhile: run it again")


@app.command()
def check(
    topics: Annotated[bool, typer.Option(help="Compare every record with the topics, byte for byte.")] = False,
    root: Root = None,
) -> None:
    """Say what is in the store and whether it is sound; exit code 1 if not."""
    from samesku.audit.checking import compare, inspect

    with opened(root) as (store, _):
        report = inspect(store)
        problems = list(report.problems)
        Console().print(_overview(report.tables))
        if topics:
            kafka = load_settings().kafka
            if not kafka.bootstrap_servers:
                raise ConfigError("kafka.bootstrap_servers is not set; --topics needs a broker")
            problems += compare(store, kafka)
    for problem in problems:
        typer.echo(f"wrong: {problem}")
    if problems:
        raise typer.Exit(1)
    typer.echo("sound" + (", and equal to the topics" if topics else ""))


def _overview(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="audit store", title_justify="left")
    for name in rows[0] if rows else ():
        table.add_column(name, justify="left" if name == "table" else "right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    return table
