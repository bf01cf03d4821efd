"""Figures that others published, with their sources: the table is ``published.toml``."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Figure(BaseModel):
    """One published F1 of the match class (0 to 1) on one test set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    set: str
    setting: Literal["in-domain", "transfer", "zero-shot", "leave-one-set-out"]
    f1: float = Field(ge=0, le=1)
    source: str
    note: str = ""


def read_published() -> list[Figure]:
    """The committed table."""
    table = tomllib.loads((files(__package__) / "published.toml").read_text())
    sources: dict[str, str] = table["sources"]
    return [Figure.model_validate({**row, "source": sources[row["source"]]}) for row in table["figure"]]


def published_of(name: str, *, left_out: bool) -> list[Figure]:
    """The figures of a set: leave-one-set-out ones, or all others."""
    return [row for row in read_published() if row.set == name and (row.setting == "leave-one-set-out") == left_out]
