"""Which candidates go through the graph together. Pure.

A pass costs its padded tokens and a fixed share; few passes waste padding, many waste passes. Rows sorted by length
are cut into runs so that the sum is least (dynamic programming over the cuts).
"""

from __future__ import annotations

from collections.abc import Sequence

BATCH_TOKENS = 1_536
"""Tokens of one forward pass, the shared past counted for every row: past it the CPU gains nothing, memory grows."""

PASS_TOKENS = 48
"""What a forward pass costs besides its tokens, in tokens: all weights go through the cache once (measured 50)."""


def batches(lengths: Sequence[int], shared: int, budget: int = BATCH_TOKENS) -> list[list[int]]:
    """Row numbers, batch by batch, shortest rows first.

    Args:
        lengths: tokens of each row.
        shared: tokens of the past that every row continues.
        budget: no batch of several rows has more tokens than this, padding and past included.
    """
    rows = sorted(range(len(lengths)), key=lengths.__getitem__)
    best = [0.0]  # least cost of the first n rows
    start = [0]  # where the last batch of that solution begins
    for end in range(1, len(rows) + 1):
        longest = lengths[rows[end - 1]]
        least, at = float("inf"), end - 1
        for begin in range(end - 1, -1, -1):
            count = end - begin
            if count > 1 and count * (shared + longest) > budget:
                break
            cost = best[begin] + PASS_TOKENS + count * longest
            if cost < least:
                least, at = cost, begin
        best.append(least)
        start.append(at)
    found: list[list[int]] = []
    end = len(rows)
    while end:
        found.append(rows[start[end] : end])
        end = start[end]
    return found[::-1]
