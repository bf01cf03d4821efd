from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decision import BundleRef, Cuts, MatchDecision, ShadowJudgement
from schemas.labeling_settings import LabelingSettings
from schemas.offer import Offer
from tests.decisions import decision
from worker.labeling.chances import Scale, base_rates, chances, draw, eligible, place, worth

SETTINGS = LabelingSettings()
CUTS = Cuts(match=0.5, review_low=0.4, review_high=0.6)


def made(verdict: Any = "match", **changes: Any) -> MatchDecision:
    return decision("a:1", "b:1", verdict).model_copy(update={"thresholds": CUTS, **changes})


def test_places_lie_evenly_and_purposes_know_nothing_of_each_other() -> None:
    names = [f"decision {number}" for number in range(4_000)]
    draws, doubles = (np.array([place(name, purpose) for name in names]) for purpose in ("draw", "double"))
    for places in (draws, doubles):
        counts, _ = np.histogram(places, 10, (0, 1))
        assert ((counts - 400) ** 2 / 400).sum() < 27.9  # chi-square of 9 degrees: exceeded once in a thousand
    assert abs(np.corrcoef(draws, doubles)[0, 1]) < 0.05
    assert place("x") == place("x")


@given(st.floats(0.001, 1), st.lists(st.floats(0.001, 1), max_size=3), st.text(max_size=8))
def test_the_inclusion_probability_is_that_of_the_union(uniform: float, others: list[float], name: str) -> None:
    names = ["uncertainty", "novelty", "value"]
    rates: Any = {"uniform": uniform, **dict(zip(names, others, strict=False))}
    found = draw(name, rates)
    assert (found is not None) == (place(name) < max(rates.values()))
    if found is not None:
        assert found.inclusion == max(rates.values())
        assert {*found.reasons} == {reason for reason, rate in rates.items() if place(name) < rate}


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True), ({"decided_by": "identifier"}, True), ({"canary": True}, True), ({"replay": "r"}, False),
        ({"decided_by": "label"}, False), ({"decided_by": "teacher"}, False), ({"decided_by": "operator"}, False),
        ({"verdict": "retracted"}, False),
    ],
)  # fmt: skip
def test_who_is_of_the_population(changes: dict[str, Any], counts: bool) -> None:
    assert eligible(made(**changes)) is counts


@pytest.mark.parametrize(
    ("changes", "chance"),
    [
        ({"probability": 0.5}, 0.5), ({"probability": 0.6}, 0.25), ({"probability": 0.4}, 0.25),
        ({"probability": 0.9}, None), ({"verdict": "review", "probability": 0.9}, 0.5), ({"probability": None}, None),
    ],
)  # fmt: skip
def test_the_nearer_the_threshold_the_greater_the_chance(changes: dict[str, Any], chance: float | None) -> None:
    rate = base_rates(made(**changes), (), False, SETTINGS).get("uncertainty")
    assert rate == (None if chance is None else pytest.approx(chance))


def test_disagreement_is_a_shadow_that_says_otherwise_or_a_contradiction() -> None:
    bundle = BundleRef(name="n", version="2.0.0", digest="d")
    same, other = (
        ShadowJudgement(bundle=bundle, verdict=verdict, probability=0.5, logit=0.0) for verdict in ("match", "no_match")
    )
    plain = {"probability": 0.9}
    assert "disagreement" not in base_rates(made(shadow=same, **plain), (), False, SETTINGS)
    assert "disagreement" in base_rates(made(shadow=other, **plain), (), False, SETTINGS)
    assert "disagreement" in base_rates(made(reasons=["contradiction:brand"], **plain), (), False, SETTINGS)
    assert base_rates(made(**plain), (), False, SETTINGS, doubted=True) == {"disagreement": 0.5}


def offer(**fields: Any) -> Offer:
    return Offer.model_validate({"offer_id": "1", "source": "s", "title": "camera", **fields})


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({}, 0), ({"price": "10"}, 10), ({"price": "10", "traffic": 5}, 50), ({"price": "10", "traffic": "many"}, 10),
        ({"price": "10", "traffic": -1}, 10), ({"price": "10", "traffic": float("inf")}, 10),
        ({"price": "10", "traffic": True}, 10), ({"price": "10", "attributes": {"traffic": "3"}}, 30),
    ],
)  # fmt: skip
def test_worth_is_price_times_traffic_whatever_sellers_write(fields: dict[str, Any], value: float) -> None:
    assert worth([offer(**fields)], "traffic") == value


def test_value_and_novelty_have_chances_of_their_own() -> None:
    far = made(probability=0.99)
    assert base_rates(far, [offer(price="500")], False, SETTINGS) == {"value": pytest.approx(0.025)}
    assert base_rates(far, [offer(price="5000")], True, SETTINGS) == {
        "novelty": pytest.approx(0.1), "value": pytest.approx(0.05),
    }  # fmt: skip
    scored = SETTINGS.model_copy(update={"novelty_score": 3.0})
    assert "novelty" in base_rates(made(probability=0.99, candidate_score=2.0), (), False, scored)


def test_scaled_to_nothing_only_the_uniform_chance_is_left() -> None:
    assert chances({"value": 0.5}, Scale(0.01, 0.0)) == {"uniform": 0.01}
    assert chances({"value": 0.5}, Scale(0.01, 0.5)) == {"uniform": 0.01, "value": 0.25}
