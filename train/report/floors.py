"""The floors: what a bundle must show, and whether a report shows it. The table is ``floors.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

Status = Literal["met", "not met", "not measured"]


class Floor(BaseModel):
    """One bound on one number of the report: a share, or the path of another number of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    value: str
    at_least: float | str | None = None
    at_most: float | str | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if sum(bound is not None for bound in (self.at_least, self.at_most, self.above)) != 1:
            raise ValueError("a floor has exactly one of at_least, at_most and above")
        return self


def read_floors() -> list[Floor]:
    """The committed table."""
    table = tomllib.loads((files(__package__) / "floors.toml").read_text())
    return [Floor.model_validate(row) for row in table["floor"]]


def look_up(report: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or None where some part of it is not there or not measured."""
    value: Any = report
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def judge_floor(floor: Floor, report: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a floor: value, interval, n, bound and status.

    ``certain`` says that the whole interval lies on the value's side of the bound; None without an interval.
    """
    value = look_up(report, floor.value)
    low, high = look_up(report, f"{floor.value}_low"), look_up(report, f"{floor.value}_high")
    n = look_up(report, f"{floor.value.rpartition('.')[0]}.n")
    if isinstance(value, Mapping):  # a rate of a suite, which carries its own n and interval
        value, low, high, n = (value.get(key) for key in ("rate", "low", "high", "n"))
    sense, bound = next(
        (name, given)
        for name, given in (("at least", floor.at_least), ("at most", floor.at_most), ("above", floor.above))
        if given is not None
    )
    limit = look_up(report, bound) if isinstance(bound, str) else bound
    status: Status = "not measured"
    certain: bool | None = None
    if value is not None and limit is not None:
        met = _holds(sense, value, limit)
        status = "met" if met else "not met"
        if low is not None and high is not None:
            certain = all(_holds(sense, end, limit) == met for end in (low, high))
    return {
        "title": floor.title, "path": floor.value, "sense": sense, "bound": limit, "value": value, "low": low,
        "high": high, "n": n, "status": status, "certain": certain,
    }  # fmt: skip


def _holds(sense: str, value: float, bound: float) -> bool:
    return {"at least": value >= bound, "at most": value <= bound, "above": value > bound}[sense]


def judge_floors(report: Mapping[str, Any], floors: Sequence[Floor] | None = None) -> list[dict[str, Any]]:
    """All rows, in the order of the table."""
    return [judge_floor(floor, report) for floor in (read_floors() if floors is None else floors)]
