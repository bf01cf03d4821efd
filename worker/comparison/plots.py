"""The pictures of the page, as SVG texts; the same numbers give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

OLD, NEW, TURNED = "#7a7a7a", "#1f6fb4", "#c23b22"
# More points than pixels make a large file and no better picture.
MOST_POINTS = 4_000


def rates_figure(rates: Mapping[str, Any]) -> Figure:
    """Share of each verdict on both sides, with intervals."""
    figure = Figure(figsize=(5.4, 3.0), layout="constrained")
    axes = figure.subplots()
    for place, (side, colour) in enumerate((("old", OLD), ("new", NEW))):
        rows = [rates[name][side] for name in rates]
        heights = [row["share"] or 0.0 for row in rows]
        spread = [
            [max(0.0, height - (row["low"] or 0.0)) for height, row in zip(heights, rows, strict=True)],
            [max(0.0, (row["high"] or 0.0) - height) for height, row in zip(heights, rows, strict=True)],
        ]
        places = [number + (place - 0.5) * 0.38 for number in range(len(rows))]
        axes.bar(places, heights, 0.36, yerr=spread, color=colour, capsize=2, label=side, error_kw={"linewidth": 0.8})
    axes.set(xticks=range(len(rates)), xticklabels=[name.replace("_", " ") for name in rates], ylabel="share of pairs")
    axes.legend(frameon=False)
    return figure


def shift_figure(points: Sequence[tuple[float, float, bool]]) -> Figure:
    """Each pair's probability before and after; verdicts that turned stand out."""
    figure = Figure(figsize=(4.2, 4.0), layout="constrained")
    axes = figure.subplots()
    kept = points
    if len(points) > MOST_POINTS:
        chosen = np.random.default_rng(0).choice(len(points), MOST_POINTS, replace=False)
        kept = [points[number] for number in sorted(chosen)]
    for flipped, colour, label in ((False, OLD, "same verdict"), (True, TURNED, "turned")):
        shown = [(old, new) for old, new, turned in kept if turned == flipped]
        if shown:
            xs, ys = zip(*shown, strict=True)
            axes.scatter(xs, ys, s=7, color=colour, alpha=0.6, linewidths=0, label=label, rasterized=False)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.6)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="old probability", ylabel="new probability")
    if kept:
        axes.legend(frameon=False, loc="upper left")
    return figure


def reliability_figure(calibration: Mapping[str, Any]) -> Figure:
    """Share of matches among labelled pairs against the probability, on both sides."""
    figure = Figure(figsize=(4.2, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.6)
    for side, colour in (("old", OLD), ("new", NEW)):
        bins = calibration[side]["bins"]
        if bins:
            xs, ys = [row["probability"] for row in bins], [row["matches"] for row in bins]
            axes.plot(xs, ys, marker="o", markersize=4, color=colour, label=side)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="probability", ylabel="share of matches")
    if calibration["labelled"]:
        axes.legend(frameon=False, loc="upper left")
    return figure


def kinds_figure(kinds: Mapping[str, int]) -> Figure:
    """How many verdicts turned, by kind."""
    figure = Figure(figsize=(5.4, 0.8 + 0.32 * max(1, len(kinds))), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(kinds)), list(kinds.values()), color=TURNED)
    axes.set(yticks=range(len(kinds)), yticklabels=list(kinds), xlabel="pairs")
    axes.invert_yaxis()
    return figure


def pictures(found: Mapping[str, Any], points: Sequence[tuple[float, float, bool]]) -> dict[str, str]:
    """Every picture that there is something to show of, by name."""
    figures = {"rates": rates_figure(found["rates"])}
    if points:
        figures["shift"] = shift_figure(points)
    if found["flips"]["kinds"]:
        figures["kinds"] = kinds_figure(found["flips"]["kinds"])
    if found["calibration"]["labelled"]:
        figures["reliability"] = reliability_figure(found["calibration"])
    return {name: svg(figure) for name, figure in figures.items()}


def svg(figure: Figure) -> str:
    """The picture as an `<svg>` element. Without date and with a fixed salt of the ids, so that bytes repeat."""
    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "samesku", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
