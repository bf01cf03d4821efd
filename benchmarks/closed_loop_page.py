"""The figure and the table of the closed loop, from what `closed_loop_measure` made of its decisions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from worker.monitor.plots import ALARM, CALM, GREY

LABELLED, GOOD = "#7b5aa6", "#2d8a4e"
PHASES = {"quiet": "before the drift", "drift": "drifted", "after": "drifted, after retraining"}


def figure(report: Mapping[str, Any]) -> Figure:
    """F1 by window over decisions, with alarms, labels and promotion; below, the labels given."""
    drawn = Figure(figsize=(8.6, 5.2), layout="constrained")
    quality, labels = drawn.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    rows = report["windows"]
    _line(quality, rows, "true", CALM, "o-", "true F1 (by the truth)")
    _line(quality, rows, "estimated", GREY, "s--", "estimated F1 (monitor, without labels)")
    _line(quality, rows, "control", ALARM, "^:", "true F1 of the old student on the same pairs")
    _segments(quality, report["segments"])
    for phase in report["phases"]:
        value = phase["true"]["f1"]
        if value is not None:
            quality.hlines(100 * value, phase["from"], phase["to"], color=CALM, linewidth=0.8, alpha=0.5)
    low = min(_floor(rows), _floor(report["segments"]))
    quality.set(ylim=(max(0, low - 12), 102), ylabel="F1 (%) among judged pairs")
    for event in report["events"]:
        _mark(quality, event)
        labels.axvline(event["at"], color=_colour(event), linewidth=0.8, linestyle="--")
    quality.legend(loc="lower right", fontsize=7, frameon=True)
    for row in rows:
        labels.bar(
            (row["from"] + row["to"]) / 2, row["labelled"]["labels"], 0.9 * (row["to"] - row["from"]), color=LABELLED
        )
    labels.set(ylabel="labels", xlabel="decisions (of products that no student was trained on)")
    drawn.suptitle(verdict_line(report), fontsize=9)
    return drawn


def _line(axes: Any, rows: Sequence[Mapping[str, Any]], name: str, colour: str, style: str, label: str) -> None:
    """A line broken between the phases."""
    for phase in dict.fromkeys(row["phase"] for row in rows):
        own = [row for row in rows if row["phase"] == phase and row[name] and row[name]["f1"] is not None]
        if own:
            places = [(row["from"] + row["to"]) / 2 for row in own]
            axes.plot(
                places, [100 * row[name]["f1"] for row in own], style, color=colour, markersize=4, linewidth=1.2,
                label=label,
            )  # fmt: skip
            label = "_"


def _segments(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Labelled estimates with their intervals."""
    label = "F1 estimated from sampled labels, 95%"
    for row in rows:
        made = row["labelled"]
        if made["f1"] is None:
            continue
        axes.errorbar(
            (row["from"] + row["to"]) / 2, 100 * made["f1"],
            [[100 * (made["f1"] - made["f1_low"])], [100 * (made["f1_high"] - made["f1"])]],
            fmt="D", color=LABELLED, markersize=4, linewidth=1, capsize=3, label=label,
        )  # fmt: skip
        label = "_"


def _floor(rows: Sequence[Mapping[str, Any]]) -> float:
    found = [row[name] for row in rows for name in ("true", "estimated", "control", "labelled") if row.get(name)]
    return 100 * min((each["f1"] for each in found if each.get("f1") is not None), default=0.0)


def _colour(event: Mapping[str, Any]) -> str:
    return {"drift": GREY, "alarm": ALARM, "promoted": GOOD, "refused": ALARM}.get(event["kind"], GREY)


def _mark(axes: Any, event: Mapping[str, Any]) -> None:
    axes.axvline(event["at"], color=_colour(event), linewidth=0.9, linestyle="--")
    axes.annotate(
        event["text"], (event["at"], 1.0), xycoords=("data", "axes fraction"), rotation=90, va="top", ha="right",
        fontsize=6.5, color=_colour(event), xytext=(-1, -2), textcoords="offset points",
    )  # fmt: skip


def verdict_line(report: Mapping[str, Any]) -> str:
    """What came of it, in one line: also when F1 did not come back, or when the candidate was refused."""
    f1 = {phase["name"]: phase["true"]["f1"] for phase in report["phases"]}
    if f1.get("quiet") is None or f1.get("drift") is None:
        return "no result: a phase has no matches"
    fell = f"true F1 fell from {percent(f1['quiet'])} to {percent(f1['drift'])}"
    if f1.get("after") is None:
        return fell
    if not report["promoted"]:
        return f"{fell}; the retrained student was refused, and it stayed at {percent(f1['after'])}"
    control = next((phase["control"] for phase in report["phases"] if phase["name"] == "after"), None)
    back = f"{fell}; after the promotion it is {percent(f1['after'])}"
    if control is None or control["f1"] is None:
        return back
    return f"{back}, where the old student has {percent(control['f1'])}"


def table(report: Mapping[str, Any]) -> str:
    """Phases, and what happened when."""
    lines = [
        f"{verdict_line(report)[0].upper()}{verdict_line(report)[1:]}.",
        "",
        "| phase | decisions (matches) | true F1 [95%] | precision | recall | estimated without labels | from sampled"
        " labels [95%] | labels | old student on the same pairs | matches that blocking named |",
        "| --- | ---: | --- | ---: | ---: | ---: | --- | ---: | --- | ---: |",
    ]
    for phase in report["phases"]:
        true, labelled = phase["true"], phase["labelled"]
        lines.append(
            f"| {PHASES.get(phase['name'], phase['name'])} | {phase['decisions']:,} ({true['matches']:,})"
            f" | {between(true)} | {percent(true['precision'])} | {percent(true['recall'])}"
            f" | {percent(phase['estimated']['f1'])} | {between(labelled)} | {labelled['labels']:,}"
            f" | {between(phase['control'])} | {percent(phase['blocking'])} |"
        )
    lines += ["", "| what happened | after decisions | after seconds |", "| --- | ---: | ---: |"]
    lines += [f"| {event['text']} | {event['at']:,} | {event['seconds']:,.0f} |" for event in report["events"]]
    if report.get("styles"):
        lines += [
            "", "| style, on the products that are learnt from | pairs (matches) | F1 | precision | recall |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]  # fmt: skip
        lines += [
            f"| {row['style']}{' (chosen)' if row['style'] == report['style'] else ''}"
            f" | {row['pairs']} ({row['matches']}) | {percent(row['f1'])} | {percent(row['precision'])}"
            f" | {percent(row['recall'])} |"
            for row in report["styles"]
        ]
    lines += ["", *(f"- {reason}" for reason in report["verdict"]["reasons"])]
    return "\n".join(lines) + "\n"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def between(made: Mapping[str, Any] | None) -> str:
    """F1 with its interval."""
    if not made or made["f1"] is None:
        return "–"
    return f"**{percent(made['f1'])}** [{percent(made['f1_low'])}, {percent(made['f1_high'])}]"
