"""The whole comparison as plain data: what `compare.json` holds, and what the page is drawn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.decision import BundleRef, MatchDecision
from schemas.policy import Costs
from schemas.upgrades import CompareSettings
from worker.comparison import flips, measures, slices
from worker.comparison.cases import Aligned
from worker.comparison.limits import checks, verdict

FORMAT_VERSION = "1.0"


@dataclass(frozen=True)
class Named:
    """One side: what it is called, and who decided."""

    name: str
    bundles: dict[str, int]
    """`name version (digest)` -> decisions."""


def named(name: str, decisions: Sequence[MatchDecision]) -> Named:
    """A side with the bundles behind its decisions, most frequent first."""
    return Named(name, dict(Counter(_called(made.bundle) for made in decisions).most_common()))


def comparison(old: Named, new: Named, aligned: Aligned, costs: Costs, limits: CompareSettings) -> dict[str, Any]:
    """Everything that is measured, and the verdict. The same input gives the same result."""
    cases, confidence = aligned.cases, limits.confidence
    turned = sum(case.flipped for case in cases)
    found: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "old": {"name": old.name, "bundles": old.bundles},
        "new": {"name": new.name, "bundles": new.bundles},
        "pairs": {
            "compared": len(cases),
            "only_old": aligned.only_old,
            "only_new": aligned.only_new,
            "other_contents": aligned.other_contents,
            "by_people": aligned.by_people,
        },
        "confidence": confidence,
        "flips": {
            "share": measures.proportion(turned, len(cases), confidence),
            "kinds": flips.kinds(cases),
            "examples": flips.ranked(cases, costs, limits.examples),
        },
        "rates": measures.rates(cases, confidence),
        "shift": measures.shift(cases),
        "agreement": measures.agreement(cases, confidence),
        "calibration": measures.calibration(cases),
        "latency": measures.latency(cases),
        "groups": {
            "sellers": slices.by_name(cases, lambda case: case.sources, confidence),
            "categories": slices.by_name(cases, lambda case: case.category, confidence),
            "properties": slices.by_property(cases, confidence),
        },
        "costs": costs.model_dump(),
    }
    found["verdict"] = verdict(list(checks(found, limits)))
    return found


def points(aligned: Aligned) -> list[tuple[float, float, bool]]:
    """Old probability, new probability, and whether the verdict turned, of every case that has both."""
    return [
        (case.old.probability, case.new.probability, case.flipped)
        for case in aligned.cases
        if case.old.probability is not None and case.new.probability is not None
    ]


def _called(ref: BundleRef) -> str:
    return f"{ref.name} {ref.version} ({ref.digest[:12]})"
