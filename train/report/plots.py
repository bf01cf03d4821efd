"""The pictures of the report, from its JSON alone: page and pictures can be made again without judging."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from train.calibration.curves import ReliabilityBin, RiskCoverage
from train.calibration.plots import reliability_diagram, risk_coverage_curves, save

SCORERS = {
    "student": "student",
    "boosting": "gradient boosting",
    "minilm": "MiniLM cosine",
    "token_jaccard": "token-Jaccard",
}


def f1_figure(sets: Mapping[str, Mapping[str, Any]]) -> Figure:
    """F1 of every scorer on every set, with intervals."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(SCORERS)
    for number, (key, label) in enumerate(SCORERS.items()):
        rows = [(place, row[key]) for place, row in enumerate(sets.values()) if row.get(key)]
        if not rows:
            continue
        heights = [row["f1"] for _, row in rows]
        spread = _spread([row for _, row in rows])
        places = [place + (number - (len(SCORERS) - 1) / 2) * width for place, _ in rows]
        axes.bar(places, heights, width, yerr=spread, capsize=2, label=label, error_kw={"linewidth": 0.8})
    axes.set(xticks=range(len(sets)), xticklabels=list(sets), ylabel="F1", ylim=(0, 1))
    figure.legend(loc="outside upper center", ncols=len(SCORERS), frameon=False)
    return figure


def slices_figure(slices: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Figure:
    """F1 of every slice that holds a match, with intervals, one panel a set."""
    names = list(next(iter(slices.values())))
    figure = Figure(figsize=(2.2 + 2.1 * len(slices), 0.6 + 0.28 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(slices), sharey=True, squeeze=False)[0]
    for axes, (name, rows) in zip(panels, slices.items(), strict=True):
        shown = [(place, rows[each]) for place, each in enumerate(names) if rows[each]["positives"]]
        axes.errorbar(
            [row["f1"] for _, row in shown], [place for place, _ in shown], xerr=_spread([row for _, row in shown]),
            fmt="o", markersize=3.5, linewidth=0.9, capsize=2,
        )  # fmt: skip
        axes.set(title=name, xlim=(-0.03, 1.03), xlabel="F1")
        axes.grid(axis="x", linewidth=0.4)
    panels[0].set(yticks=range(len(names)), yticklabels=names)
    panels[0].invert_yaxis()
    return figure


def _spread(rows: list[Mapping[str, Any]]) -> list[list[float]]:
    """Distances of the interval's ends from F1; a percentile interval need not hold the value it belongs to."""
    return [
        [max(0.0, row["f1"] - row["f1_low"]) for row in rows],
        [max(0.0, row["f1_high"] - row["f1"]) for row in rows],
    ]


def draw(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write all pictures as SVG; the same report gives the same bytes.

    Raises:
        OSError: one cannot be written.
    """
    calibration = report["calibration"]
    curve = calibration["risk_coverage"]
    points = np.array([[point["coverage"], point["risk"]] for point in curve["curve"]]).reshape(-1, 2)
    risk = RiskCoverage(points[:, 0], points[:, 1], np.zeros(len(points)), curve["aurc"], curve["aurc_best"])
    figures = {
        "f1": f1_figure(report["sets"]),
        "slices": slices_figure(report["slices"]["sets"]),
        "reliability": reliability_diagram([ReliabilityBin(**row) for row in calibration["reliability"]]),
        "risk-coverage": risk_coverage_curves({"pooled tests": risk}),
    }
    for name, figure in figures.items():
        save(figure, folder / f"{name}.svg")
    return [folder / f"{name}.svg" for name in figures]
