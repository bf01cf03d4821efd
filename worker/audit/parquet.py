"""How a table's rows become Parquet files: sorted, zstd, small row groups, statistics and blooms.

Row groups are small because a look-up by pair reads one whole group: of 8,192 rows it decodes the few columns that it
needs in a few milliseconds. Non-goal: which rows, and under which name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from worker.audit.tables import Table

ROW_GROUP = 8_192
# Above 3 zstd is several times slower and gains a few percent on this data.
LEVEL = 3
# Of the digests of a row group, the share that it wrongly says it may hold.
BLOOM_FPP = 0.01


class Writer:
    """Writes rows, already in order, to one file. `rows`, `first` and `last` (values of the key) say what is in it."""

    def __init__(self, table: Table, out: IO[bytes]) -> None:
        self._table = table
        self._writer = pq.ParquetWriter(out, table.schema, **_options(table))
        self.rows = 0
        self.first: str | None = None
        self.last: str | None = None

    def write(self, rows: pa.Table) -> None:
        """Append rows, whole row groups at a time (the last may be smaller)."""
        if rows.num_rows == 0:
            return
        keys = rows.column(self._table.key)
        if self.first is None:
            self.first = keys[0].as_py()
        self.last = keys[-1].as_py()
        self.rows += rows.num_rows
        self._writer.write_table(rows.cast(self._table.schema), row_group_size=ROW_GROUP)

    def close(self) -> None:
        self._writer.close()


@contextmanager
def writing(table: Table, out: IO[bytes]) -> Iterator[Writer]:
    """A writer that is closed at the end of the block."""
    writer = Writer(table, out)
    try:
        yield writer
    finally:
        writer.close()


# Rows that are plain Python objects at a time: some 10 KB each.
_CHUNK = 2_000


def arrow_of(table: Table, rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows as an Arrow table in the order of the file: by key, then by offset."""
    made = [table.schema.empty_table()]
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK)):
        made.append(pa.Table.from_pylist(chunk, schema=table.schema))
    return sort_rows(table, pa.concat_tables(made))


def sort_rows(table: Table, rows: pa.Table) -> pa.Table:
    """The rows by key, then by offset."""
    return rows.sort_by([(table.key, "ascending"), ("offset", "ascending")])


def _options(table: Table) -> dict[str, Any]:
    names = _leaves(table.schema)
    floats = {name for name in table.schema.names if pa.types.is_floating(table.schema.field(name).type)}
    encoding = dict.fromkeys(floats, "BYTE_STREAM_SPLIT")
    encoding |= dict.fromkeys(table.prefixed, "DELTA_BYTE_ARRAY")
    encoding |= {name: "DELTA_BINARY_PACKED" for name in table.plain if not _is_text(table.schema.field(name).type)}
    return {
        "compression": "zstd",
        "compression_level": LEVEL,
        "use_dictionary": [name for name in names if name not in encoding and name not in table.plain],
        "column_encoding": encoding,
        # The others are never asked about in a way that statistics could answer, and each costs footer bytes.
        "write_statistics": [table.key, "offset", "decided_at", "published_at", "unreadable"],
        "bloom_filter_options": {name: {"ndv": ROW_GROUP, "fpp": BLOOM_FPP} for name in table.blooms} or None,
        "store_schema": True,
    }


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _leaves(schema: pa.Schema) -> list[str]:
    """Paths of the leaf columns as Parquet names them."""
    found = []
    for each in schema:
        if pa.types.is_list(each.type):
            inner = each.type.value_type
            if pa.types.is_struct(inner):
                found += [f"{each.name}.list.element.{part.name}" for part in inner]
            else:
                found.append(f"{each.name}.list.element")
        else:
            found.append(each.name)
    return found
