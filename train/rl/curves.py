"""The curves of a run: proxy against gold over the steps and against KL, as plot and table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.drawing import drawing

PLOT, TABLE = "curves.svg", "curves.csv"
PROXY = ("proxy", "reward_form", "reward_label", "reward_judges", "reward_proper")
TRUTH = ("gold_f1", "gold_brier", "gold_verdict", "held_out_judge")
Rows = Sequence[Mapping[str, Any]]


def write_curves(panels: Rows, folder: Path, alarm: int | None = None) -> None:
    """Write ``curves.csv`` and ``curves.svg``; equal panels give equal files.

    Args:
        panels: metrics of every panel (:func:`train.rl.panel.measure`), in order.
        alarm: the step at which the monitor spoke, which is marked.
    """
    names = list(dict.fromkeys(name for row in panels for name in row))
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(panels)
    with drawing() as figure:
        axes = figure.subplots(2, 2, sharey="row")
        for row, shown, label in ((0, PROXY, "reward"), (1, TRUTH, "gold and held-out judge")):
            for column, against in ((0, "step"), (1, "kl")):
                lines(axes[row, column], panels, against, shown)
                axes[row, column].set_xlabel("step" if against == "step" else "KL to the SFT student")
            axes[row, 0].set_ylabel(label)
            if alarm is not None:
                axes[row, 0].axvline(alarm, color="k", linestyle=":", label="alarm")
            axes[row, 0].legend(loc="best", fontsize="small")
        figure.savefig(folder / PLOT, metadata={"Date": None})


def lines(axes: Any, panels: Rows, against: str, names: Sequence[str], suffix: str = "") -> None:
    """One line a column that has values."""
    for name in names:
        found = [(row[against], row[name]) for row in panels if row.get(name) is not None]
        if found:
            axes.plot(*zip(*found, strict=True), marker=".", label=f"{name}{suffix}")
    axes.grid(alpha=0.3)
