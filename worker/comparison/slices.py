"""Groups of pairs that are looked at by themselves: sellers, categories, and properties of the pair. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker.comparison.cases import Case
from worker.comparison.measures import agreement, proportion

# A group of fewer pairs tells of its pairs and not of itself; it is counted under `others`.
LEAST = 10
# Groups shown, largest first: a catalogue may have thousands of categories.
MOST = 30


def _both(name: str) -> Callable[[Case], bool]:
    return lambda case: all(each is not None and getattr(each, name) for each in (case.first, case.second))


def _price_gap(case: Case) -> bool:
    prices = [float(each.price) for each in (case.first, case.second) if each is not None and each.price]
    return len(prices) == 2 and max(prices) > 2 * min(prices)


SLICES: Mapping[str, Callable[[Case], bool]] = {
    "GTIN on both sides": _both("gtin"),
    "model number on both sides": _both("model_number"),
    "brand on both sides": _both("brand"),
    "prices differ by more than twice": _price_gap,
    "old probability in doubt (0.2 to 0.8)": lambda case: 0.2 <= (case.old.probability or 0.0) <= 0.8,
    "a contradiction before or now": lambda case: any(
        reason.startswith("contradiction") for reason in (*case.old.reasons, *case.new.reasons)
    ),
    "same seller": lambda case: " + " not in case.sources,
}


def by_property(cases: Sequence[Case], confidence: float) -> dict[str, Any]:
    """Every slice that holds a pair."""
    groups = {name: [case for case in cases if holds(case)] for name, holds in SLICES.items()}
    return {name: _group(members, confidence) for name, members in groups.items() if members}


def by_name(cases: Sequence[Case], name_of: Callable[[Case], str], confidence: float) -> dict[str, Any]:
    """The groups of a name, largest first; small ones, and those beyond `MOST`, together as `others`."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(name_of(case), []).append(case)
    ordered = sorted(groups.items(), key=lambda each: (-len(each[1]), each[0]))
    shown = {name: members for name, members in ordered[:MOST] if len(members) >= LEAST}
    rest = [case for name, members in ordered if name not in shown for case in members]
    found = {name: _group(members, confidence) for name, members in shown.items()}
    return {**found, **({"others": _group(rest, confidence)} if rest else {})}


def _group(cases: Sequence[Case], confidence: float) -> dict[str, Any]:
    said = agreement(cases, confidence)
    return {
        "pairs": len(cases),
        "flips": proportion(sum(case.flipped for case in cases), len(cases), confidence),
        "matches_old": sum(case.old.verdict == "match" for case in cases),
        "matches_new": sum(case.new.verdict == "match" for case in cases),
        "labelled": said["labelled"],
        "agreement_old": said["old"]["share"],
        "agreement_new": said["new"]["share"],
    }
