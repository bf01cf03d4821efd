"""The policy: what turns a probability and five attribute verdicts into a verdict, and what each mistake costs.

`decide` is pure: the same input gives the same verdict, so that a decision can be explained and repeated later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.bundle import Thresholds
from schemas.events import canonical, sha256_hex
from schemas.rationale import ATTRIBUTES, Attribute, AttributeVerdict

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Cost = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Explain = Literal["never", "matches", "review", "all"]

PolicyVerdict = Literal["match", "no_match", "review"]

BELOW_THRESHOLD = "below_match_threshold"
ABOVE_THRESHOLD = "above_match_threshold"
REVIEW_BAND = "in_review_band"
CONTRADICTION = "contradiction"
"""Written with the attribute: `contradiction:variant`."""
IDENTIFIER_SAME = "identifier_same"
IDENTIFIER_CONFLICT = "identifier_conflict"

# Bump when `decide` itself changes, so that its decisions are told apart from those of the same numbers before.
_RULES = "1"


class Costs(BaseModel):
    """What each outcome costs, in any one unit: only ratios matter.

    The defaults say that a false match is as bad as a missed one. `review` is what a person's look at a pair costs; at
    0.4 of a mistake only pairs between 0.4 and 0.6 are worth it, which for a calibrated student are few.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    false_match: Cost = 1.0
    missed_match: Cost = 1.0
    review: Cost = 0.4

    def thresholds(self) -> Thresholds:
        """Thresholds of least expected cost for a calibrated probability p (Elkan 2001, The Foundations of
        Cost-Sensitive Learning, section 1; review as reject option: Chow 1970).

        Match costs (1-p)*false_match, no match p*missed_match, review a constant.
        """
        match = self.false_match / (self.false_match + self.missed_match)
        low = min(match, self.review / self.missed_match)
        high = max(match, 1 - self.review / self.false_match)
        return Thresholds(match=match, review_low=low, review_high=high)


class Policy(BaseModel):
    """Thresholds and rules. What is not set comes from the bundle, then from the costs: see `resolved`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match_threshold: Probability | None = Field(
        default=None, description="match at or above; unset: the bundle's, which maximises validation F1"
    )
    review_low: Probability | None = Field(default=None, description="review from here (inclusive)")
    review_high: Probability | None = Field(default=None, description="to here (exclusive)")
    contradiction: Literal["review", "match", "no_match"] = Field(
        default="review", description="verdict of a match in which an attribute is 'different'"
    )
    explain: Explain = Field(
        default="matches",
        description="which decisions get a sentence; it costs decoding steps, so no_match pairs, which are most, get "
        "none. 'matches' means matches and reviews, 'review' reviews only",
    )
    identifier_fast_path: bool = Field(
        default=False, description="let equal or conflicting identifiers decide without the student"
    )
    costs: Costs = Costs()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        given = [value for value in (self.review_low, self.match_threshold, self.review_high) if value is not None]
        if given != sorted(given):
            raise ValueError("needs review_low <= match_threshold <= review_high")
        return self

    def resolved(self, bundle: Thresholds | None = None) -> Policy:
        """This policy with all three thresholds set: explicit ones first, then the bundle's, then those of the costs.

        A review bound that nobody set explicitly gives way to an explicit threshold beyond it, so that
        `review_low <= match_threshold <= review_high` holds. Raises ValueError (pydantic's) when explicit bounds
        exclude the bundle's threshold.
        """
        costs = self.costs.thresholds()
        base = bundle or costs
        match = base.match if self.match_threshold is None else self.match_threshold
        low = _first(self.review_low, base.review_low, costs.review_low, match)
        high = _first(self.review_high, base.review_high, costs.review_high, match)
        values = {
            "match_threshold": match,
            "review_low": low if self.review_low is not None else min(low, match),
            "review_high": high if self.review_high is not None else max(high, match),
        }
        return Policy.model_validate({**self.model_dump(), **values})

    @property
    def version(self) -> str:
        """12 hex digits over the rules and the values in force; equal policies have equal versions."""
        return sha256_hex(canonical([_RULES, self.resolved().model_dump(mode="json", exclude={"costs"})]))[:12]

    def explains(self, verdict: str) -> bool:
        """Whether a decision with this verdict gets its sentence."""
        if self.explain == "matches":
            return verdict in ("match", "review")
        return self.explain == "all" or (self.explain == "review" and verdict == "review")


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


class Ruling(NamedTuple):
    """What `decide` says; `reasons` is never empty."""

    verdict: PolicyVerdict
    decided_by: Literal["student", "identifier"]
    reasons: tuple[str, ...]


def decide(
    probability: float,
    attributes: Mapping[Attribute, AttributeVerdict] | Mapping[str, AttributeVerdict],
    policy: Policy,
    identifier: str | None = None,
) -> Ruling:
    """The verdict for one pair.

    `probability` is calibrated, 0 to 1. `attributes` are the student's; those left out count as unknown. `identifier`
    is `schemas.evidence.identifier_verdict(...)`: "same", "different" or None; it decides only if the policy allows
    the fast path, and only then is `decided_by` "identifier".

    Order: identifier, review band, threshold, contradiction (of a match with a `different` attribute).
    Raises ValueError for a probability outside 0..1, NaN included.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"a probability is between 0 and 1, not {probability}")
    if policy.identifier_fast_path and identifier == "same":
        return Ruling("match", "identifier", (IDENTIFIER_SAME,))
    if policy.identifier_fast_path and identifier == "different":
        return Ruling("no_match", "identifier", (IDENTIFIER_CONFLICT,))
    bounds = policy if _is_resolved(policy) else policy.resolved()
    threshold = _first(bounds.match_threshold)
    different = [str(name) for name in ATTRIBUTES if (seen := _get(attributes, name)) and seen.verdict == "different"]
    contradictions = tuple(f"{CONTRADICTION}:{name}" for name in different) if probability >= threshold else ()
    if _first(bounds.review_low) <= probability < _first(bounds.review_high):
        return Ruling("review", "student", (REVIEW_BAND, *contradictions))
    if probability < threshold:
        return Ruling("no_match", "student", (BELOW_THRESHOLD,))
    if contradictions:
        return Ruling(policy.contradiction, "student", contradictions)
    return Ruling("match", "student", (ABOVE_THRESHOLD,))


def _is_resolved(policy: Policy) -> bool:
    return None not in (policy.match_threshold, policy.review_low, policy.review_high)


def _get(
    attributes: Mapping[Attribute, AttributeVerdict] | Mapping[str, AttributeVerdict], name: Attribute
) -> AttributeVerdict | None:
    return attributes.get(name)
