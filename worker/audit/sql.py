"""DuckDB on the store's files: connecting, naming files in a query, and the views that a person asks.

Non-goal: which files count (`store`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from worker.audit.columns import Row
from worker.audit.folder import Folder
from worker.audit.tables import DECISIONS, Table

# What the columns of a decision leave to be worked out.
DERIVED = """
    split_part(pair_id, '#', 1) AS first_key,
    split_part(pair_id, '#', 2) AS second_key,
    CASE WHEN query_first THEN split_part(pair_id, '#', 1) ELSE split_part(pair_id, '#', 2) END AS query_key,
    CASE WHEN query_first THEN split_part(pair_id, '#', 2) ELSE split_part(pair_id, '#', 1) END AS candidate_key
"""


def connect(folder: Folder, memory_mb: int, threads: int) -> duckdb.DuckDBPyConnection:
    """A database in memory that reads the store's files."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET memory_limit = '{int(memory_mb)}MB'")
    if threads:
        connection.execute(f"SET threads = {int(threads)}")
    # Bars on a terminal would mix with what is printed.
    connection.execute("SET enable_progress_bar = false")
    if not folder.local:
        connection.register_filesystem(folder.fs)
    return connection


def reading(folder: Folder, names: Sequence[str]) -> str:
    """The files as a table expression. A column that older files lack is null there."""
    return f"read_parquet([{', '.join(literal(folder.url(name)) for name in names)}], union_by_name = true)"


def viewing(folder: Folder, table: Table, names: Sequence[str]) -> str:
    """As `reading`, with the columns that follow from others."""
    if table is not DECISIONS:
        return reading(folder, names)
    return f"(SELECT *, {DERIVED} FROM {reading(folder, names)})"


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def dicts(found: duckdb.DuckDBPyConnection, count: int | None = None) -> list[Row]:
    """The next `count` rows (all without it) by column name; none at the end."""
    names = [each[0] for each in found.description or ()]
    rows: list[tuple[Any, ...]] = found.fetchall() if count is None else found.fetchmany(count)
    return [dict(zip(names, row, strict=True)) for row in rows]


def empty(table: Table) -> pa.Table:
    """The table without a row, for a store that has no file of it yet."""
    made: pa.Table = table.schema.empty_table()
    return made


def is_vanished(error: BaseException) -> bool:
    """Whether a file that was listed is no longer there."""
    if isinstance(error, FileNotFoundError):
        return True
    return isinstance(error, duckdb.Error) and any(
        sign in str(error) for sign in ("No such file", "No files found", "FileNotFoundError", "Cannot open file")
    )
