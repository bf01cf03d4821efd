"""Bins: every signal is a handful of counts, so that windows of any number of monitors add up exactly.

The edges are fixed, never taken from data: counts of today and of last month are of the same bins.
"""

from __future__ import annotations

import math
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

# Probabilities are spread by their log odds: what happens near 0 and 1, where most pairs are, stays visible.
LOGIT_EDGES = (-6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
BLOCKING_EDGES = (4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0)
COUNT_EDGES = (1, 2, 3, 5, 10)
TITLE_CHARS = (10, 20, 30, 40, 50, 60, 80, 100, 150, 200)
TITLE_WORDS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30)
DESCRIPTION_CHARS = (1, 50, 100, 200, 400, 800, 1600)
SHARE_EDGES = (0.000001, 0.1, 0.2, 0.35, 0.5)
PRICE_EDGES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)
FEW_EDGES = (1, 2, 3)

# Names (of sources, of categories) fall into so many bins by their hash: a new one raises a bin, and no seller can make
# the table grow.
NAME_BINS = 64


def binned(value: float, edges: Sequence[float]) -> str:
    """The bin of a value: `<a`, `a..b` (a inclusive) or `>=z`."""
    place = bisect_right(edges, value)
    if place == 0:
        return f"<{edges[0]:g}"
    if place == len(edges):
        return f">={edges[-1]:g}"
    return f"{edges[place - 1]:g}..{edges[place]:g}"


def order_of(edges: Sequence[float]) -> list[str]:
    """All bins of `binned`, from low to high."""
    inner = [f"{low:g}..{high:g}" for low, high in pairwise(edges)]
    return [f"<{edges[0]:g}", *inner, f">={edges[-1]:g}"]


def logit_bin(probability: float) -> str:
    """The bin of a probability by its log odds; 0 and 1 are in the outermost."""
    inside = min(max(probability, 1e-12), 1 - 1e-12)
    return binned(math.log(inside / (1 - inside)), LOGIT_EDGES)


def name_bin(name: str) -> str:
    """The bin of a name: stable over processes and versions, unlike `hash`."""
    return f"#{zlib.crc32(name.encode('utf-8', 'replace')) % NAME_BINS}"


SCALES: dict[str, Sequence[float]] = {
    "score": LOGIT_EDGES,
    "blocking": BLOCKING_EDGES,
    "blocking_best": BLOCKING_EDGES,
    "candidates": COUNT_EDGES,
    "title_chars": TITLE_CHARS,
    "title_words": TITLE_WORDS,
    "description_chars": DESCRIPTION_CHARS,
    "unknown_words": SHARE_EDGES,
    "foreign_letters": SHARE_EDGES,
    "price": PRICE_EDGES,
    "codes": FEW_EDGES,
    "measures": FEW_EDGES,
}
"""Edges of the signals whose bins have an order; of the others the bins are names."""
