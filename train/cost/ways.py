"""The ways to decide every candidate pair, and what each costs. Pure functions.

Every way needs the same stream (``platform_month``) and is given the same people (``human_checks_per_month``), so that
what differs is who judges. Costs are in the inputs' currency; a month has 365.25 / 12 days.

* SameSKU: machine hours for the pairs, at the stated utilisation, and retraining (machine hours, and the teacher for
  new pairs at the large model's price).
* An API for every pair: one prompt, one short reply.
* The agentic pipeline for every pair: extract (once an offer, kept), compare, decide, explain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from train.cost.inputs import UNITS, Inputs

DAYS_A_MONTH = 365.25 / 12
MILLION = 1_000_000
WAYS = (
    "SameSKU on CPU", "SameSKU on GPU", "small API model, every pair", "large API model, every pair",
    "agentic pipeline, every pair",
)  # fmt: skip
OURS = WAYS[:2]


@dataclass(frozen=True)
class Cost:
    """One way: what a month costs whatever is judged, and what a million decisions cost on top."""

    way: str
    fixed: Mapping[str, float]
    per_million: float

    @property
    def fixed_month(self) -> float:
        """Sum of what a month costs without any decision."""
        return sum(self.fixed.values())

    def month(self, decisions: float) -> float:
        """Cost of a month with so many decisions."""
        return self.fixed_month + self.per_million * decisions / MILLION

    def million(self, decisions: float) -> float:
        """All-in cost of a million decisions at so many a month. Raises ZeroDivisionError at none."""
        return self.month(decisions) * MILLION / decisions


def decisions_per_month(inputs: Inputs) -> float:
    """Pairs judged in a month."""
    return inputs["changes_per_day"] * inputs["candidates_per_change"] * DAYS_A_MONTH


def _machine(inputs: Inputs, kind: str) -> float:
    """A million pairs on one kind of machine: hours at the utilisation, times the hour's price."""
    hours = MILLION / (inputs[f"{kind}_pairs_per_second"] * inputs["utilisation"]) / 3600
    return hours * inputs[f"{kind}_hour"]


def _tokens(inputs: Inputs, what: str, prefix: str) -> float:
    """One pair (or offer) at an API: tokens of prompt and reply times their prices."""
    prompt = inputs[f"{what}_prompt_tokens"] * inputs[f"{prefix}_input"]
    return (prompt + inputs[f"{what}_reply_tokens"] * inputs[f"{prefix}_output"]) / MILLION


def agentic_pair(inputs: Inputs) -> float:
    """One pair in the teacher's pipeline; a change's offer is extracted once for all its candidates."""
    extract = _tokens(inputs, "extract", "large_api") / inputs["candidates_per_change"]
    return extract + _tokens(inputs, "agentic", "large_api")


def costs(inputs: Inputs) -> dict[str, Cost]:
    """Each way's cost, by its name, in the order of ``WAYS``."""
    shared = {
        "platform": inputs["platform_month"],
        "people": inputs["human_checks_per_month"] * inputs["human_check"],
    }
    retraining = inputs["retrainings_per_month"] * (
        inputs["training_cpu_hours"] * inputs["cpu_hour"]
        + inputs["teacher_pairs_per_retraining"] * agentic_pair(inputs)
    )
    ours = {**shared, "retraining": retraining}
    marginal = {
        WAYS[0]: _machine(inputs, "cpu"),
        WAYS[1]: _machine(inputs, "gpu"),
        WAYS[2]: _tokens(inputs, "api", "api") * MILLION,
        WAYS[3]: _tokens(inputs, "api", "large_api") * MILLION,
        WAYS[4]: agentic_pair(inputs) * MILLION,
    }
    return {way: Cost(way, ours if way in OURS else shared, marginal[way]) for way in WAYS}


def break_even(ours: Cost, other: Cost) -> float | None:
    """Decisions a month above which ``ours`` is the cheaper way; 0 where it always is, None where it never is."""
    more, less = ours.fixed_month - other.fixed_month, other.per_million - ours.per_million
    if more <= 0 and less >= 0:
        return 0.0
    return more / less * MILLION if less > 0 and more > 0 else None


def sensitivity(inputs: Inputs, way: str, factor: float = 2.0) -> list[dict[str, Any]]:
    """All-in cost of a million decisions when one input is halved or doubled, the widest first.

    ``utilisation`` is capped at 1. Inputs that move nothing are left out.
    """

    def cost(moved: Inputs) -> float:
        return costs(moved)[way].million(decisions_per_month(moved))

    base = cost(inputs)
    found = []
    for name in UNITS:
        low, high = (
            inputs.scaled(name, min(by, 1 / inputs[name]) if name == "utilisation" else by)
            for by in (1 / factor, factor)
        )
        ends = cost(low), cost(high)
        if abs(ends[1] - ends[0]) > 1e-9 * base:
            found.append((abs(ends[1] - ends[0]), {"input": name, "low": ends[0], "base": base, "high": ends[1]}))
    return [row for _, row in sorted(found, key=lambda item: -item[0])]
