"""SQL on the store's views, and decisions as files.

A statement can read the store's files and nothing else, and cannot write: the command is for looking.
"""

from __future__ import annotations

import csv
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from schemas.events import format_time
from worker.audit import views
from worker.audit.store import AuditStore

_ROWS = 10_000


def answer(store: AuditStore, statement: str) -> duckdb.DuckDBPyConnection:
    """The result of a statement, files of the store readable and nothing else. Raises NoStore and duckdb.Error."""
    return store.settled(lambda: _answer(store, statement))


def _answer(store: AuditStore, statement: str) -> duckdb.DuckDBPyConnection:
    views.create(store)
    connection = store.connection
    if store.folder.local:
        connection.execute("SET allowed_directories = [?]", [f"{store.folder.url('')}/"])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    return connection.execute(statement)


def print_rows(result: duckdb.DuckDBPyConnection, *, as_json: bool, as_csv: bool, limit: int) -> None:
    """Rows as a table, JSON Lines or CSV."""
    names = [each[0] for each in result.description or ()]
    if as_json:
        while rows := result.fetchmany(_ROWS):
            for row in rows:
                typer.echo(orjson.dumps(dict(zip(names, row, strict=True)), default=_plain).decode())
        return
    if as_csv:
        out = csv.writer(sys.stdout)
        out.writerow(names)
        while rows := result.fetchmany(_ROWS):
            out.writerows([_cell(value) for value in row] for row in rows)
        return
    shown = result.fetchmany(limit + 1) if limit else result.fetchall()
    table = Table()
    for name in names:
        table.add_column(escape(name), overflow="fold")
    for row in shown[: limit or None]:
        table.add_row(*(escape(_cell(value)) for value in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(120, 16 * len(names)))
    console.print(table)
    if limit and len(shown) > limit:
        typer.echo(f"the first {limit} rows; --limit 0 shows all", err=True)


def export_decisions(store: AuditStore, out: Path, where: str) -> int:
    """Write the decisions for which a condition holds; the kind follows from the name. Returns how many.

    Raises ValueError (typer.BadParameter) for another ending, NoStore and duckdb.Error.
    """
    store.info()
    partial = out.with_name(f"{out.name}.partial")
    try:
        if out.suffix == ".jsonl":
            count = 0
            with partial.open("wb") as lines:
                for event in store.events(where):
                    lines.write(event + b"\n")
                    count += 1
        elif out.suffix in (".parquet", ".csv"):
            count = store.settled(lambda: _copy(store, partial, where, out.suffix[1:]))
        else:
            raise typer.BadParameter(f"{out.name!r} ends in none of .jsonl, .parquet, .csv", param_hint="--out")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _copy(store: AuditStore, out: Path, where: str, kind: str) -> int:
    views.create(store)
    options = "FORMAT parquet, COMPRESSION zstd" if kind == "parquet" else "FORMAT csv, HEADER"
    target = str(out).replace("'", "''")
    done = store.connection.execute(
        f"COPY (SELECT * FROM decisions WHERE {where}) TO '{target}' ({options})"
    ).fetchone()
    return int(done[0]) if done else 0


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return format_time(value) if value.tzinfo is not None else value.isoformat()
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=_plain).decode()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        return f"{value:.6g}"
    return value.isoformat() if isinstance(value, date) else str(value)
