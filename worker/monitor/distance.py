"""How far the counts of a signal are from a reference. Pure; counts are {bin: number}."""

from __future__ import annotations

import math
from collections.abc import Mapping

from schemas.drift import Moved

Counts = Mapping[str, int]

# Half an observation a bin (Jeffreys): a bin that the reference never saw is rare, not impossible.
PRIOR = 0.5
UNSEEN = "(new)"
MOST_MOVED = 5


def g_statistic(counts: Counts, reference: Counts) -> float:
    """The likelihood-ratio statistic 2 sum x ln(x / (n q)) of the counts against the reference's shares (Wilks 1938).

    It grows with the number of counts only where the shares differ, so that units of different sizes can be ranked.
    Bins that the reference does not know are one bin together. 0 without counts.
    """
    n, total = sum(counts.values()), sum(reference.values())
    if not n:
        return 0.0
    known = {name: number for name, number in reference.items() if number}
    whole = total + PRIOR * (len(known) + 1)
    unseen = sum(number for name, number in counts.items() if name not in known)
    parts = [(counts.get(name, 0), (number + PRIOR) / whole) for name, number in known.items()]
    parts.append((unseen, PRIOR / whole))
    return 2 * sum(number * math.log(number / (n * share)) for number, share in parts if number)


def total_variation(counts: Counts, reference: Counts) -> float:
    """Half the sum of the absolute differences of shares, 0 to 1; 0 where either side is empty."""
    n, total = sum(counts.values()), sum(reference.values())
    if not n or not total:
        return 0.0
    names = counts.keys() | reference.keys()
    return min(1.0, sum(abs(counts.get(name, 0) / n - reference.get(name, 0) / total) for name in names) / 2)


def beyond_noise(counts: Counts, reference: Counts) -> float:
    """Total variation less what two draws from the pooled shares would show on average, at least 0.

    The mean absolute difference of two independent shares is about sqrt(2 q (1 - q) (1/n + 1/N) / pi).
    """
    n, total = sum(counts.values()), sum(reference.values())
    if not n or not total:
        return 0.0
    noise = 0.0
    for name in counts.keys() | reference.keys():
        q = (counts.get(name, 0) + reference.get(name, 0)) / (n + total)
        noise += math.sqrt(2 * q * (1 - q) * (1 / n + 1 / total) / math.pi) / 2
    return max(0.0, total_variation(counts, reference) - noise)


def moved(counts: Counts, reference: Counts) -> list[Moved]:
    """The bins whose shares differ most, greatest first."""
    n, total = sum(counts.values()) or 1, sum(reference.values()) or 1
    rows = [
        Moved(bin=name, before=reference.get(name, 0) / total, now=counts.get(name, 0) / n)
        for name in sorted(counts.keys() | reference.keys())
    ]
    return sorted(rows, key=lambda row: -abs(row.now - row.before))[:MOST_MOVED]


def add(into: dict[str, int], counts: Counts) -> None:
    """Add counts to counts."""
    for name, number in counts.items():
        into[name] = into.get(name, 0) + number
