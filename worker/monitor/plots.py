"""The pictures of the monitor's page, as SVG texts; the same numbers give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

CALM, ALARM, GREY = "#1f6fb4", "#c23b22", "#7a7a7a"


def signal_figure(signal: Mapping[str, Any]) -> Figure:
    """Shares of the bins window by window, with the reference at the left; below, the evidence and its threshold."""
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    shares, evidence = figure.subplots(2, 1, height_ratios=[2, 1], sharex=True)
    windows, bins = signal["windows"], signal["bins"]
    colours = mpl.colormaps["viridis"](np.linspace(0.05, 0.95, max(1, len(bins))))
    if windows:
        times = [_moment(end) for end, _ in windows]
        rows = np.array([row for _, row in windows], dtype=float).T
        shares.stackplot(times, rows, colors=colours, labels=bins, linewidth=0)
        low = 0.0
        for share in signal["reference"][:-1]:
            low += share
            shares.axhline(low, color="white", linewidth=0.6, linestyle=":")
    shares.set(ylim=(0, 1), ylabel="share")
    shares.legend(*_reversed(shares), loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=6)
    if signal["trail"]:
        times = [_moment(row[0]) for row in signal["trail"]]
        colour = ALARM if signal["open"] else CALM
        evidence.plot(times, [row[1] for row in signal["trail"]], color=colour, linewidth=1.2)
        far, near = [row[2] for row in signal["trail"]], [row[3] for row in signal["trail"]]
        distance = evidence.twinx()
        distance.plot(times, far, color=GREY, linewidth=0.7)
        distance.plot(times, near, color=GREY, linewidth=0.7, linestyle=":")
        distance.set(ylim=(0, 1), ylabel="distance")
    evidence.axhline(signal["threshold"], color=ALARM, linewidth=0.7, linestyle="--")
    evidence.set(ylim=(0, None), ylabel="log10 evidence")
    if windows or signal["trail"]:
        _dates(evidence)
    return figure


def quality_figure(rows: Sequence[Mapping[str, Any]], labelled: Mapping[str, Any] | None = None) -> Figure:
    """Estimated F1 with its interval, precision and recall, window by window; F1 by people's labels over all of it."""
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    axes: Any = figure.subplots()
    known = [row for row in rows if row["estimate"]["f1"] is not None]
    if known:
        times = [_moment(row["end"]) for row in known]
        made = [row["estimate"] for row in known]
        axes.fill_between(
            times, [row["f1_low"] for row in made], [row["f1_high"] for row in made], color=CALM, alpha=0.2, linewidth=0
        )
        axes.plot(times, [row["f1"] for row in made], color=CALM, label="F1")
        for name, style in (("precision", "--"), ("recall", ":")):
            values = [np.nan if row[name] is None else row[name] for row in made]
            axes.plot(times, values, color=GREY, linestyle=style, linewidth=0.9, label=name)
        if labelled is not None and labelled["f1"]["value"] is not None:
            said = labelled["f1"]
            axes.axhspan(said["low"], said["high"], color=ALARM, alpha=0.12, linewidth=0)
            axes.axhline(said["value"], color=ALARM, linewidth=1.0, label="F1 by people's labels")
        axes.legend(frameon=False, fontsize=7, loc="lower left")
        _dates(axes)
    axes.set(ylim=(0, 1.02), ylabel="estimated, without labels")
    return figure


def svg(figure: Figure) -> str:
    """The picture as an `<svg>` element. Without date and with a fixed salt of the ids, so that bytes repeat."""
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "samesku", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _dates(axes: Any) -> None:
    locator = AutoDateLocator(maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _reversed(axes: Any) -> tuple[list[Any], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    return handles[::-1], labels[::-1]
