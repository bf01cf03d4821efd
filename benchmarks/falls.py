"""How much a rate falls while something else runs beside it, from alternating windows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any


def fall(off: Sequence[float], on: Sequence[float], share: float) -> dict[str, Any]:
    """The fall of the mean rate with the other at work (`on`) against that without (`off`), as a share of the latter.

    `within` says whether it is no more than `share`. Windows alternate, so that whatever drifts falls on both; their
    least and largest rates stand beside the means. Raises ValueError without a window of each kind, or where nothing
    was done without the other.
    """
    if not off or not on or fmean(off) <= 0:
        raise ValueError(f"needs windows with and without, not {list(off)} and {list(on)}")
    fell = 1 - fmean(on) / fmean(off)
    return {
        "without": _told(off),
        "beside": _told(on),
        "fall": round(fell, 4),
        "share": share,
        "within": fell <= share,
    }


def _told(rates: Sequence[float]) -> dict[str, Any]:
    rounded = [round(rate, 3) for rate in rates]
    return {"mean": round(fmean(rates), 3), "least": min(rounded), "largest": max(rounded), "windows": rounded}
