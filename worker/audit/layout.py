"""Where things lie in the store, and the list of files of a compacted segment. Pure.

store.json                                   format, and the ids of the topics that it holds
TABLE/pNNNN/START-END.parquet                what the sink wrote of a partition
TABLE/pNNNN/START-END.json                   the same after compaction: a list of parts, sorted by key
TABLE/pNNNN/parts/START-END.STAMP/NNNNN.parquet
erasures/ID.json                             who had which offer's text erased, when and why
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field

from worker.audit.chain import Segment
from worker.audit.tables import Table

STORE = "store.json"
ERASURES = "erasures"
FORMAT = 1

_PARTITION = re.compile(r"p(\d{4,10})")


class Part(BaseModel):
    """One file of a compacted segment; keys from `first` to `last` (inclusive) are in it."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="from the store's root")
    rows: int
    first: str
    last: str


class Manifest(BaseModel):
    """What a compacted segment consists of: parts in order of their keys."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    rows: int
    dropped: int = Field(default=0, description="rows that retention has taken out of this range so far")
    parts: list[Part]


class StoreInfo(BaseModel):
    """What the store says of itself. `topics`: full name -> topic id."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    topics: dict[str, str] = Field(default_factory=dict)
    counts: dict[str, list[int]] = Field(
        default_factory=dict, description="table -> all numbers of partitions that its topic has had"
    )
    misplaced: list[str] = Field(
        default_factory=list, description="tables with records elsewhere than where their key belongs"
    )


def partition_folder(table: Table, partition: int) -> str:
    return f"{table.name}/p{partition:04d}"


def partition_of(name: str) -> int | None:
    """The partition that a folder's name means; None for other names."""
    parsed = _PARTITION.fullmatch(name)
    return int(parsed[1]) if parsed else None


def segment_name(table: Table, partition: int, segment: Segment) -> str:
    return f"{partition_folder(table, partition)}/{segment.name}"


def parts_folder(table: Table, partition: int) -> str:
    return f"{partition_folder(table, partition)}/parts"
