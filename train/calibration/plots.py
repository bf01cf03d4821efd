"""The pictures of calibration: reliability diagram and risk-coverage curve, as PNG or SVG by the file's suffix.

Drawn without pyplot, so that no display and no global state is needed; the same input gives the same SVG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from train.calibration.curves import ReliabilityBin, RiskCoverage

FORMATS = ("png", "svg")
DOTS_PER_INCH = 130


def reliability_diagram(bins: Sequence[ReliabilityBin], title: str = "") -> Figure:
    """Share of matches over mean probability, with each bin's interval, and below it how many pairs each bin holds."""
    figure = Figure(figsize=(5, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    above.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="perfectly calibrated")
    x = [each.mean_probability for each in bins]
    y = [each.share_of_matches for each in bins]
    spread = (
        [each.share_of_matches - each.share_low for each in bins],
        [each.share_high - each.share_of_matches for each in bins],
    )
    above.errorbar(x, y, yerr=spread, fmt="o-", color="C0", markersize=4, linewidth=1, capsize=2, label="pairs, 95%")
    above.set(ylabel="share of matches", xlim=(0, 1), ylim=(0, 1), title=title)
    above.legend(loc="lower right", frameon=False)
    below.bar(
        [each.low for each in bins], [each.pairs for each in bins],
        width=[each.high - each.low for each in bins], align="edge", color="C0", edgecolor="white",
    )  # fmt: skip
    below.set(xlabel="mean probability of a match", ylabel="pairs", yscale="log")
    return figure


def risk_coverage_curves(curves: Mapping[str, RiskCoverage], title: str = "") -> Figure:
    """Share of wrong verdicts over share of pairs decided, one line a name."""
    figure = Figure(figsize=(5, 3.8), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        axes.plot(curve.coverage, curve.risk, linewidth=1.2, label=f"{name} (AURC {curve.aurc:.4f})")
    axes.set(xlabel="share of pairs decided, the surest first", ylabel="share of wrong verdicts", title=title)
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix of ``path`` says how.

    Raises:
        ValueError: the suffix is neither .png nor .svg.
        OSError: it cannot be written.
    """
    kind = path.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(f"{path}: pictures are written as {' or '.join('.' + each for each in FORMATS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "samesku"}):
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Date": None} if kind == "svg" else {"Software": None})
