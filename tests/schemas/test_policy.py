from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.bundle import Thresholds
from schemas.policy import Costs, Policy, Ruling, decide
from schemas.rationale import ATTRIBUTES, Attribute, AttributeVerdict, Verdict

probabilities = st.floats(0, 1)
POLICY = Policy(match_threshold=0.5, review_low=0.4, review_high=0.7)


def attribute(verdict: Verdict) -> AttributeVerdict:
    return AttributeVerdict(verdict=verdict, probability=1, p_same=0, p_different=0, p_unknown=0)


def attributes(**verdicts: Verdict) -> dict[Attribute, AttributeVerdict]:
    return {name: attribute(verdicts.get(name, "same")) for name in ATTRIBUTES}


@pytest.mark.parametrize(
    ("probability", "verdict", "reasons"),
    [
        (0.0, "no_match", ("below_match_threshold",)),
        (0.399, "no_match", ("below_match_threshold",)),
        (0.4, "review", ("in_review_band",)),
        (0.699, "review", ("in_review_band",)),
        (0.7, "match", ("above_match_threshold",)),
        (1.0, "match", ("above_match_threshold",)),
    ],
)
def test_thresholds(probability: float, verdict: str, reasons: tuple[str, ...]) -> None:
    assert decide(probability, attributes(), POLICY) == (verdict, "student", reasons)


def test_a_match_that_contradicts_itself_is_reviewed() -> None:
    unlike = attributes(variant="different", quantity="different")
    assert decide(0.9, unlike, POLICY) == Ruling(
        "review", "student", ("contradiction:variant", "contradiction:quantity")
    )
    assert decide(0.1, unlike, POLICY).verdict == "no_match"
    assert decide(0.9, attributes(variant="unknown"), POLICY).verdict == "match"
    strict = POLICY.model_copy(update={"contradiction": "no_match"})
    assert decide(0.9, unlike, strict).verdict == "no_match"


def test_identifiers_decide_only_if_the_policy_says_so() -> None:
    fast = POLICY.model_copy(update={"identifier_fast_path": True})
    assert decide(0.1, {}, POLICY, "same").decided_by == "student"
    assert decide(0.1, {}, fast, "same") == ("match", "identifier", ("identifier_same",))
    assert decide(0.9, {}, fast, "different") == ("no_match", "identifier", ("identifier_conflict",))
    assert decide(0.9, {}, fast, None).decided_by == "student"


@pytest.mark.parametrize("probability", [math.nan, -0.1, 1.1, math.inf])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        decide(probability, {}, POLICY)


@given(probabilities, st.sampled_from(["same", "different", None]))
def test_every_probability_has_a_verdict_and_a_reason(probability: float, identifier: str | None) -> None:
    assert decide(probability, attributes(), Policy(), identifier).reasons


@given(probabilities, probabilities)
def test_more_probable_is_never_less_of_a_match(a: float, b: float) -> None:
    order = ["no_match", "review", "match"]
    low, high = sorted((a, b))
    assert order.index(decide(low, {}, POLICY).verdict) <= order.index(decide(high, {}, POLICY).verdict)


@given(probabilities, st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0.01, 100))
def test_thresholds_of_costs_cost_least(p: float, false_match: float, missed_match: float, review: float) -> None:
    costs = Costs(false_match=false_match, missed_match=missed_match, review=review)
    expected = {"match": (1 - p) * false_match, "no_match": p * missed_match, "review": review}
    verdict = decide(p, {}, Policy(costs=costs)).verdict
    assert expected[verdict] <= min(expected.values()) * (1 + 1e-9) + 1e-12


def test_explicit_thresholds_come_before_the_bundles_and_those_before_the_costs() -> None:
    bundle = Thresholds(match=0.35)
    assert Policy().resolved().match_threshold == 0.5
    resolved = Policy().resolved(bundle)
    assert (resolved.review_low, resolved.match_threshold, resolved.review_high) == (0.35, 0.35, 0.6)
    assert Policy(match_threshold=0.8).resolved(bundle).review_high == 0.8
    assert Policy(match_threshold=0.8).resolved(bundle).match_threshold == 0.8
    with pytest.raises(ValidationError, match="review_low"):
        Policy(review_low=0.9).resolved(bundle)


def test_the_version_is_of_the_values_in_force() -> None:
    resolved = Policy().resolved(Thresholds(match=0.35))
    assert resolved.version == resolved.resolved().version
    assert Policy().version == Policy(match_threshold=0.5).version
    changed: list[dict[str, Any]] = [
        {"match_threshold": 0.55},
        {"contradiction": "match"},
        {"identifier_fast_path": True},
        {"explain": "never"},
    ]
    assert len({Policy().version, *(Policy(**change).version for change in changed)}) == 5


def test_who_gets_a_sentence() -> None:
    explained = {
        explain: [verdict for verdict in ("match", "no_match", "review") if Policy(explain=explain).explains(verdict)]
        for explain in ("never", "matches", "review", "all")
    }
    assert explained == {
        "never": [],
        "matches": ["match", "review"],
        "review": ["review"],
        "all": ["match", "no_match", "review"],
    }


def test_thresholds_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="review_low <= match_threshold"):
        Policy(match_threshold=0.5, review_low=0.6)
