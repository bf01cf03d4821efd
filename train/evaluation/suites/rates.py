"""Rates with their intervals, as JSON-ready objects. Wilson's interval comes from statsmodels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from statsmodels.stats.proportion import proportion_confint

# Two-sided; its one-sided bounds are at 97.5%. Brown, Cai and DasGupta 2001 recommend Wilson's for any n and rate.
CONFIDENCE = 0.95
# A target counts as met with confidence when the one-sided 95% bound meets it: a two-sided 90% interval's bound.
ONE_SIDED = 0.90

Side = Literal["at least", "at most"]


def interval(count: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's interval of ``count`` of ``n``; all of [0, 1] where ``n`` is 0."""
    if n == 0:
        return 0.0, 1.0
    low, high = proportion_confint(count, n, alpha=1 - confidence, method="wilson")
    return float(low), float(high)


def rate(hits: Iterable[bool]) -> dict[str, Any]:
    """``n``, ``count``, ``rate`` and its Wilson 95% interval ``low`` to ``high``; ``rate`` is None where n is 0."""
    found = list(hits)
    n, count = len(found), sum(found)
    low, high = interval(count, n)
    return {
        "n": n,
        "count": count,
        "rate": round(count / n, 4) if n else None,
        "low": round(low, 4),
        "high": round(high, 4),
    }


def target(found: Mapping[str, Any], side: Side, bound: float) -> dict[str, Any]:
    """Whether a rate meets a bound: ``met`` by its value, ``met_with_confidence`` by its one-sided 95% bound."""
    low, high = interval(found["count"], found["n"], ONE_SIDED)
    value = found["rate"]
    met = value is not None and (value >= bound if side == "at least" else value <= bound)
    sure = met and (low >= bound if side == "at least" else high <= bound)
    return {"side": side, "bound": bound, "met": met, "met_with_confidence": sure}


def worst(kinds: Mapping[str, Mapping[str, Any]], side: Side, key: str | None = None) -> str | None:
    """The kind whose rate (that of its entry ``key``, if given) is farthest on the wrong side; None without any."""
    rates = {name: (found[key] if key else found)["rate"] for name, found in kinds.items()}
    known = {name: value for name, value in rates.items() if value is not None}
    if not known:
        return None
    return (min if side == "at least" else max)(known, key=lambda name: known[name])
