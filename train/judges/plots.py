"""The reliability diagram of a judge."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from train.calibration.curves import ReliabilityBin
from train.calibration.plots import reliability_diagram


def reliability_figure(bins: Sequence[ReliabilityBin], title: str) -> Figure:
    """Share of right claims over mean score, with each bin's interval, and how many claims each bin holds."""
    figure = reliability_diagram(bins, title)
    above, below = figure.axes
    above.set_ylabel("share of right claims")
    if (legend := above.get_legend()) is not None:
        legend.get_texts()[-1].set_text("claims, 95%")
    below.set_xlabel("mean score")
    below.set_ylabel("claims")
    return figure
