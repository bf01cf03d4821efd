"""The curves of a run: losses, validation and learning rate over the steps, as a plot and as a table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.drawing import drawing

Log = Sequence[Mapping[str, Any]]

LOSSES = ("loss", "loss_answer", "loss_attributes", "loss_sentence")
PLOT, TABLE = "curves.svg", "curves.csv"


def table(log: Log) -> list[dict[str, Any]]:
    """One row a step of transformers' log history, all that was logged at the step together."""
    rows: dict[int, dict[str, Any]] = {}
    for entry in log:
        if any(name in entry for name in ("loss", "eval_log_loss")):
            rows.setdefault(int(entry["step"]), {}).update(entry)
    return [rows[step] for step in sorted(rows)]


def series(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """Steps and values of one column, where it has values."""
    found = [(int(row["step"]), float(row[name])) for row in rows if name in row]
    return [step for step, _ in found], [value for _, value in found]


def write_curves(log: Log, folder: Path) -> None:
    """Write ``curves.csv`` and ``curves.svg``; equal logs give equal files."""
    rows = table(log)
    names = ["step", *sorted({name for row in rows for name in row} - {"step"})]
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    validated = sorted({name for row in rows for name in row if name.startswith("eval_f1")})
    with drawing((9, 8)) as figure:
        losses, validation, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1))
        _lines(losses, rows, LOSSES, "training loss")
        _lines(validation, rows, validated, "validation F1")
        loss = validation.twinx()
        steps, values = series(rows, "eval_log_loss")
        loss.plot(steps, values, "k--", label="log loss")
        loss.set_ylabel("log loss, calibrated (dashed)")
        steps, values = series(rows, "learning_rate")
        rate.plot(steps, values)
        rate.set_ylabel("learning rate")
        rate.set_xlabel("step")
        figure.savefig(folder / PLOT, metadata={"Date": None})


def _lines(axes: Any, rows: Sequence[Mapping[str, Any]], names: Sequence[str], label: str) -> None:
    for name in names:
        steps, values = series(rows, name)
        if steps:
            axes.plot(steps, values, marker="." if len(steps) < 40 else None, label=name.removeprefix("eval_"))
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="best", fontsize="small")
