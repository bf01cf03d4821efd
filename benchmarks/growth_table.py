"""Runs of `benchmarks.growth` as a table and a plot. Pure but for the plot's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.calibration.fit import fit
from train.report.holdout import grouped, probabilities_of
from train.report.measures import best_threshold, f1_at, measured

FLOORS = {"abt-buy": (85.0, 76.5), "amazon-google": (56.0, 55.9)}
"""Percent: what the project asks of a set that was left out, and what AnyMatch's GPT-2 (124M parameters) reaches there
(train/report/published.toml has the source)."""


def measures_of(rows: Sequence[Mapping[str, Any]], leave_out: str) -> dict[str, Any]:
    """Measures on the set's test, threshold and calibration from the other sets' validation.

    ``oracle_f1`` is F1 at the test's own best threshold: no result, only what the threshold costs.

    Raises:
        train.calibration.fit.UncalibratableError: the validation pairs allow no threshold.
    """
    scores = grouped(rows)
    others = {origin: found for (origin, split), found in scores.items() if split == "valid" and origin != leave_out}
    fitted = fit(others, f"validation of {', '.join(others)}")
    logits, labels = scores[leave_out, "test"]
    probabilities = probabilities_of(logits, fitted.calibration.a, fitted.calibration.b)
    oracle = best_threshold(labels, probabilities)
    return {
        **measured(labels, probabilities, fitted.thresholds.match),
        "oracle_f1": f1_at(labels, probabilities >= oracle)["f1"],
    }


def page(runs: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown page: one table a set, runs by layers and steps."""
    parts = [
        "# F1 on a set that was left out, against data and model size\n",
        "`python -m benchmarks.growth --leave-out SET --layers N --steps N --out DIR` for each row, then",
        "`--table --write docs/benchmarks`. Fresh adapters on the other sets' training pairs, rewritten each epoch;",
        "the whole official test of the set left out; threshold and calibration from the other sets' validation pairs.",
        "*Oracle* is the best threshold of the test itself, which nobody has: what is between it and F1 is the price",
        "of the threshold, what is above it no threshold reaches.",
    ]
    for name in dict.fromkeys(run["set"] for run in runs):
        mine = sorted((run for run in runs if run["set"] == name), key=lambda run: (run["layers"], run["steps"]))
        floor, published = FLOORS.get(name, (None, None))
        parts += ["", f"## {name}", ""]
        if floor is not None:
            parts += [
                f"Floor {floor:.0f}; AnyMatch with GPT-2 124M, trained on nine other benchmarks: {published}.",
                "",
            ]
        parts += [
            "| layers | parameters | steps | pairs seen | F1 [95%] | precision | recall | AP | oracle F1 | minutes |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        parts += [_row(run) for run in mine]
    return "\n".join([*parts, "", "![F1 against pairs seen](growth.svg)", ""])


def _row(run: Mapping[str, Any]) -> str:
    low, high = run["f1_low"], run["f1_high"]
    cells = [
        str(run["layers"]),
        f"{run['parameters'] / 1e6:.0f} M",
        str(run["steps"]),
        f"{run['examples']:,}",
        f"{100 * run['f1']:.1f} [{100 * low:.1f}, {100 * high:.1f}]",
        *(f"{100 * run[key]:.1f}" for key in ("precision", "recall", "average_precision", "oracle_f1")),
        f"{run['train_seconds'] / 60:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def plot(runs: Sequence[Mapping[str, Any]], path: Path) -> None:
    """F1 with its interval against the pairs seen, one line a set and depth, as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, layers in sorted({(run["set"], run["layers"]) for run in runs}):
        mine = sorted(
            (run for run in runs if (run["set"], run["layers"]) == (name, layers)), key=lambda r: r["examples"]
        )
        values = [100 * run["f1"] for run in mine]
        errors = [
            [value - 100 * run["f1_low"] for value, run in zip(values, mine, strict=True)],
            [100 * run["f1_high"] - value for value, run in zip(values, mine, strict=True)],
        ]
        seen = [run["examples"] for run in mine]
        axes.errorbar(seen, values, yerr=errors, marker="o", capsize=3, label=f"{name}, {layers} layers")
    for name in sorted({run["set"] for run in runs} & FLOORS.keys()):
        axes.axhline(FLOORS[name][0], linestyle=":", linewidth=1, color="grey")
        axes.annotate(f"floor {name}", (0.01, FLOORS[name][0]), xycoords=("axes fraction", "data"), fontsize=8)
    axes.set(xlabel="training pairs seen", ylabel="test F1 (%)")
    axes.legend()
    figure.savefig(path, metadata={"Date": None})
