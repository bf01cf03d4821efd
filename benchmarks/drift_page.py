"""The drift benchmark's table (Markdown) and plot (SVG) from its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from worker.monitor.plots import ALARM, CALM, GREY, svg


def table(found: Mapping[str, Any]) -> str:
    """False alarms and detections of everybody, then the monitor's drifts by catalogue."""
    lines = [
        "| detector | false alarms per 1,000 clean windows [95%] | drifts detected | median delay (decisions)"
        " | ms per window |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in found["detectors"].items():
        clean, drift = row["clean"], row["drifts"]
        streams = sum(each["streams"] for each in drift.values())
        hits = sum(each["detected"] for each in drift.values())
        alarms = f"{clean['per_1000']:.2f} [{clean['low']:.2f}, {clean['high']:.2f}]"
        lines.append(
            f"| {name} | {alarms} ({clean['alarms']} in {clean['windows']}) | {hits} of {streams}"
            f" | {_number(row['median_delay'])} | {clean['ms_per_window']:.1f} |"
        )
    lines += ["", "| drift | " + " | ".join(found["detectors"]) + " | seen first by the monitor in |"]
    lines.append("| --- |" + " --- |" * (len(found["detectors"]) + 1))
    for drift in found["drifts"]:
        cells = []
        for row in found["detectors"].values():
            each = row["drifts"].get(drift)
            cells.append(
                "–" if each is None else f"{each['detected']}/{each['streams']}, {_number(each['median_delay'])}"
            )
        first = next(iter(found["detectors"].values()))["drifts"].get(drift, {}).get("first", [])
        lines.append(f"| {drift} | " + " | ".join(cells) + f" | {', '.join(first[:2])} |")
    return "\n".join(lines) + "\n"


def _cell(row: Mapping[str, Any] | None) -> str:
    return "–" if row is None else f"{row['detected']}/{row['streams']}, {_number(row['median_delay'])}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def figure(found: Mapping[str, Any]) -> Figure:
    """Detected share against false alarms, a point a detector."""
    drawn = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes: Any = drawn.subplots()
    for name, row in found["detectors"].items():
        streams = sum(each["streams"] for each in row["drifts"].values())
        hits = sum(each["detected"] for each in row["drifts"].values())
        clean = row["clean"]
        # A rate of none has no logarithm: it is drawn at the smallest that could have been seen.
        x = max(clean["per_1000"], 500 / clean["windows"])
        colour = CALM if "SameSKU" in name else GREY
        axes.plot([x], [hits / streams if streams else 0], "o", color=colour)
        axes.annotate(
            name, (x, hits / streams if streams else 0), fontsize=7, xytext=(4, 4), textcoords="offset points"
        )
    axes.axvline(1, color=ALARM, linewidth=0.7, linestyle="--")
    axes.set(xscale="log", ylim=(-0.03, 1.08), xlabel="false alarms per 1,000 clean windows", ylabel="drifts detected")
    return drawn


def write(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write drift.table.md and drift.svg; returns their paths."""
    text, picture = folder / "drift.table.md", folder / "drift.svg"
    text.write_text(table(found), encoding="utf-8")
    picture.write_text(svg(figure(found)) + "\n", encoding="utf-8")
    return [text, picture]
