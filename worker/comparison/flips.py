"""Verdicts that turned, the most costly first. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from schemas.offer import Offer
from schemas.policy import Costs
from worker.comparison.cases import Case
from worker.comparison.measures import delta


def kinds(cases: Sequence[Case]) -> dict[str, int]:
    """How many of each kind, most frequent first."""
    return dict(Counter(case.kind for case in cases if case.flipped).most_common())


def ranked(cases: Sequence[Case], costs: Costs, count: int) -> list[dict[str, Any]]:
    """The most costly flips: what the *new* verdict costs if it is wrong (the policy's costs), times the change of the
    probability, times the price. A pair without a price counts as one of the median price."""
    flips = [case for case in cases if case.flipped]
    prices = [case.price for case in cases if case.price is not None]
    usual = median(prices) if prices else 1.0
    scored = sorted(((cost(case, costs, usual), case) for case in flips), key=lambda each: (-each[0], each[1].pair_id))
    return [_row(case, score) for score, case in scored[:count]]


def cost(case: Case, costs: Costs, usual_price: float) -> float:
    """In the unit of the policy's costs times that of the prices."""
    wrong = {"match": costs.false_match, "no_match": costs.missed_match}.get(case.new.verdict, costs.review)
    return wrong * abs(delta(case)) * (usual_price if case.price is None else case.price)


def _row(case: Case, score: float) -> dict[str, Any]:
    return {
        "pair_id": case.pair_id,
        "kind": case.kind,
        "cost": score,
        "label": None if case.label is None else ("match" if case.label else "no_match"),
        "price": case.price,
        "old": _said(case.old),
        "new": _said(case.new),
        "first": _shown(case.first, case.old.first.key),
        "second": _shown(case.second, case.old.second.key),
    }


def _said(made: Any) -> dict[str, Any]:
    rationale = made.rationale
    return {
        "verdict": made.verdict,
        "probability": made.probability,
        "reasons": list(made.reasons),
        "sentence": rationale.sentence if rationale is not None else None,
        "attributes": {name: each.verdict for name, each in rationale.attributes.items()} if rationale else {},
    }


def _shown(offer: Offer | None, key: str) -> dict[str, Any]:
    if offer is None:
        return {"key": key, "title": None, "price": None}
    price = f"{offer.price} {offer.currency or ''}".strip() if offer.price else None
    return {"key": key, "title": offer.title, "price": price}
