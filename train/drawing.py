"""Figures whose SVG is the same for the same content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def drawing(size: tuple[float, float] = (10, 8)) -> Iterator[Any]:
    """A figure of this size in inches; to be saved inside the block, with the metadata ``{"Date": None}``."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "samesku", "svg.fonttype": "none"}):
        yield Figure(figsize=size, layout="constrained")
