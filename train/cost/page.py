"""The costs as tables and plots: a Markdown page, two SVG files and the numbers as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from train.cost.inputs import UNITS, Inputs
from train.cost.ways import OURS, WAYS, Cost, break_even, costs, decisions_per_month, sensitivity

SHOWN = 10
"""Bars of the sensitivity plot; what moves less than the tenth is not worth a look."""


def figures(inputs: Inputs) -> dict[str, Any]:
    """Everything the page says, as plain numbers: ways, break-even points, sensitivity of SameSKU on CPU."""
    decisions = decisions_per_month(inputs)
    found = costs(inputs)
    return {
        "currency": inputs.currency,
        "decisions_per_month": decisions,
        "ways": {
            way: {
                "fixed_month": dict(cost.fixed),
                "judging_per_million": cost.per_million,
                "month": cost.month(decisions),
                "per_million": cost.million(decisions),
            }
            for way, cost in found.items()
        },
        "break_even": {
            ours: {way: break_even(found[ours], found[way]) for way in WAYS if way not in OURS} for ours in OURS
        },
        "sensitivity": sensitivity(inputs, WAYS[0]),
        "inputs": {name: one.model_dump(mode="json") for name, one in inputs.numbers.items()},
    }


def page(inputs: Inputs) -> str:
    """The Markdown page."""
    found, decisions, currency = costs(inputs), decisions_per_month(inputs), inputs.currency
    lines = [
        "# What it costs",
        "",
        "Written by `samesku tco --out docs`; `--inputs FILE` puts your own numbers in place of these. Prices in"
        f" {currency}.",
        "Every way streams on the same platform and has the same people; what differs is who judges.",
        "Infrastructure work, support and taxes are in none of them.",
        "",
        f"At {inputs['changes_per_day']:,.0f} changes a day and {inputs['candidates_per_change']:g} candidates a"
        f" change: {decisions / 1e6:.2f} million decisions a month.",
        "",
        "| way | judging a million | month: platform | people | retraining | judging | month in all | a million, all in"
        " |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(cost, decisions) for cost in found.values()]
    lines += ["", "## Break-even", "", "Decisions a month above which SameSKU is the cheaper way.", ""]
    others = [way for way in WAYS if way not in OURS]
    lines += [f"| | {' | '.join(others)} |", f"|{' --- |' * (len(others) + 1)}"]
    for ours in OURS:
        lines.append(f"| {ours} | {' | '.join(_point(break_even(found[ours], found[way])) for way in others)} |")
    lines += [
        "",
        "![Cost of a month against decisions](tco-break-even.svg)",
        "",
        "## What it hangs on",
        "",
        "All-in cost of a million decisions of SameSKU on CPU when one input is halved or doubled; the rest stands.",
        "",
        "![Sensitivity](tco-sensitivity.svg)",
        "",
        "## Inputs",
        "",
        "*assumed* numbers were measured by nobody: they are the ones to replace first.",
        "",
        "| input | value | unit | basis | source | date |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in inputs.numbers.items():
        unit = UNITS[name] if not UNITS[name].startswith(("a ", "an ")) else f"{currency} {UNITS[name]}"
        lines.append(f"| {name} | {one.value:,.10g} | {unit} | {one.basis} | {one.source} | {one.date} |")
    return "\n".join([*lines, ""])


def _row(cost: Cost, decisions: float) -> str:
    retraining = f"{cost.fixed['retraining']:,.0f}" if "retraining" in cost.fixed else "–"
    judging = cost.per_million * decisions / 1e6
    platform, people = cost.fixed["platform"], cost.fixed["people"]
    return (
        f"| {cost.way} | {cost.per_million:,.2f} | {platform:,.0f} | {people:,.0f} | {retraining}"
        f" | {judging:,.0f} | **{cost.month(decisions):,.0f}** | {cost.million(decisions):,.0f} |"
    )


def _point(decisions: float | None) -> str:
    if decisions is None:
        return "never"
    return "always" if decisions == 0 else f"{decisions:,.0f}"


def write(inputs: Inputs, folder: Path) -> Path:
    """Write tco.md, tco.json and the plots into a folder; returns the page. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tco.json").write_bytes(orjson.dumps(figures(inputs), option=orjson.OPT_INDENT_2) + b"\n")
    _plot_break_even(inputs, folder / "tco-break-even.svg")
    _plot_sensitivity(inputs, folder / "tco-sensitivity.svg")
    path = folder / "tco.md"
    path.write_text(page(inputs), encoding="utf-8")
    return path


def _plot_break_even(inputs: Inputs, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    points = [10 ** (4 + step / 10) for step in range(51)]
    for way, cost in costs(inputs).items():
        axes.plot(points, [cost.month(point) for point in points], label=way, linestyle="-" if way in OURS else "--")
    axes.axvline(decisions_per_month(inputs), color="grey", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="decisions a month", ylabel=f"{inputs.currency} a month")
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def _plot_sensitivity(inputs: Inputs, path: Path) -> None:
    from matplotlib.figure import Figure

    rows = sensitivity(inputs, WAYS[0])[:SHOWN][::-1]
    figure = Figure(figsize=(7, 0.5 + 0.36 * max(1, len(rows))), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        for end, colour in (("low", "tab:blue"), ("high", "tab:orange")):
            axes.barh(place, row[end] - row["base"], left=row["base"], color=colour, height=0.6)
    axes.set_yticks(range(len(rows)), [row["input"] for row in rows])
    axes.set_xlabel(f"{inputs.currency} a million decisions, all in (blue: halved, orange: doubled)")
    figure.savefig(path, metadata={"Date": None})
