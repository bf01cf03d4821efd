"""Random choices that depend on a seed and a name alone: the same whatever else is chosen, and in which order."""

from __future__ import annotations

import hashlib


def stable_share(seed: int, text: str) -> float:
    """A number in [0, 1) that depends on seed and text alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:7]) / 2**56
