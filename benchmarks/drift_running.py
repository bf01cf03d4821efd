"""Draws streams from judged blocks, lets the detectors watch, and adds up. Pure but for reading the blocks."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import chi2

from benchmarks.drift_detectors import Detector, Window
from benchmarks.drift_making import Block

Blocks = Sequence[Block]
Told = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Changes per window, windows to learn from, windows after a drift, and how much of the stream drifts."""

    changes: int = 13
    learn: int = 400
    after: int = 80
    share: float = 0.5


def window_of(clean: Blocks, chance: random.Random, changes: int, drifted: Blocks = (), share: float = 0.0) -> Window:
    """Changes drawn with replacement; each is of the drifted ones with probability `share`."""
    return [chance.choice(drifted if drifted and chance.random() < share else clean) for _ in range(changes)]


def decisions(window: Window) -> int:
    return sum(len(block.rows) for block in window)


def clean_stream(detector: Detector, clean: Blocks, plan: Plan, windows: int, seed: int) -> dict[str, Any]:
    """Alarms on a stream without a drift, after learning."""
    chance = random.Random(seed)
    detector.learn([window_of(clean, chance, plan.changes) for _ in range(plan.learn)])
    began, alarms = time.perf_counter(), 0
    named: dict[str, int] = {}
    for _ in range(windows):
        found = detector.look(window_of(clean, chance, plan.changes))
        alarms += bool(found)
        for name in found:
            named[name] = named.get(name, 0) + 1
    return {"windows": windows, "alarms": alarms, "by": named, "seconds": round(time.perf_counter() - began, 2)}


def drifted_streams(
    detector: Detector, clean: Blocks, drifts: Mapping[str, Blocks], plan: Plan, seed: int
) -> dict[str, dict[str, Any]]:
    """Every drift once, after one and the same clean start: decisions until the first alarm, and who raised it.

    The clean stretch between learning and drift is of random length, so that nobody profits from a fixed rhythm.
    """
    chance = random.Random(seed)
    detector = detector.copy()
    detector.learn([window_of(clean, chance, plan.changes) for _ in range(plan.learn + chance.randrange(8))])
    rows: dict[str, dict[str, Any]] = {}
    for name, blocks in drifts.items():
        watching, seen = detector.copy(), 0
        drawn = random.Random(f"{seed}{name}")
        rows[name] = {"delay": None, "by": []}
        for _ in range(plan.after):
            window = window_of(clean, drawn, plan.changes, blocks, plan.share)
            seen += decisions(window)
            if found := watching.look(window):
                rows[name] = {"delay": seen, "by": found}
                break
    return rows


def poisson_interval(count: int, exposure: float) -> tuple[float, float]:
    """The exact 95% interval of a rate (Garwood 1936)."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low / exposure), float(chi2.ppf(0.975, 2 * count + 2) / 2 / exposure)


def rate(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """False alarms per 1,000 windows over several clean streams, with the interval."""
    windows, alarms = sum(row["windows"] for row in rows), sum(row["alarms"] for row in rows)
    low, high = poisson_interval(alarms, windows / 1000)
    return {
        "windows": windows, "alarms": alarms, "per_1000": 1000 * alarms / windows, "low": low, "high": high,
        "ms_per_window": 1000 * sum(row["seconds"] for row in rows) / windows,
    }  # fmt: skip


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Detection rate and delays of one drift over its streams."""
    delays = sorted(run["delay"] for run in runs if run["delay"] is not None)
    first: dict[str, int] = {}
    for run in runs:
        for name in run["by"]:
            first[name] = first.get(name, 0) + 1
    return {
        "streams": len(runs), "detected": len(delays),
        "median_delay": statistics.median(delays) if delays else None,
        "worst_delay": delays[-1] if delays else None,
        "first": sorted(first, key=lambda name: (-first[name], name))[:3],
    }  # fmt: skip
