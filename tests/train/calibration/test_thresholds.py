from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from schemas.bundle import Thresholds
from train.calibration.bounds import lower_bound
from train.calibration.thresholds import Calibrated, Targets, choose, outcome
from train.evaluation.metrics import Bools, Floats


def drawn(pairs: int, seed: int, shift: float = 0.0) -> tuple[Floats, Bools]:
    """Calibrated probabilities as matchers have them, most of them sure, and labels drawn from them.

    With a shift the probabilities are told wrongly: too high above 0.
    """
    generator = np.random.default_rng(seed)
    match = generator.random(pairs) < 0.2
    logits = np.where(match, generator.normal(3.5, 2.5, pairs), generator.normal(-4.5, 2.5, pairs))
    return expit(logits + shift), generator.random(pairs) < expit(logits)


SETS: Calibrated = {"small": drawn(900, 1), "large": drawn(2_500, 2), "other": drawn(1_500, 3)}


def test_targets_are_met_by_their_bounds() -> None:
    chosen = choose(SETS, 0.4, Targets(precision=0.95, npv=0.98))
    found, cuts = chosen.report, chosen.thresholds
    assert cuts.review_low is not None
    assert cuts.review_high is not None
    assert cuts.review_low < 0.4 == cuts.match < cuts.review_high
    for name, part, target in (("precision", "auto_match", 0.95), ("npv", "auto_reject", 0.98)):
        assert found[name] == {"target": target, "reached": found[part]["lower_bound"], "met": True}
        assert found[part]["value"] > found[part]["lower_bound"] >= target
        assert found[part]["effective_pairs"] < found[part]["pairs"]
    # The cut is the boldest: a little further the bound is below its target.
    bolder = Thresholds(match=0.4, review_low=cuts.review_low, review_high=cuts.review_high - 0.02)
    assert not outcome(SETS, bolder, Targets(precision=0.95))["precision"]["met"]
    plain = found["auto_match"]
    assert plain["lower_bound_plain"] == pytest.approx(float(lower_bound(plain["right"], plain["pairs"])), abs=1e-4)
    shares = [found[part]["share"] for part in ("auto_match", "auto_reject", "review")]
    assert sum(shares) == pytest.approx(1, abs=2e-4)


def test_a_large_set_does_not_speak_for_a_small_one() -> None:
    """The small set's student is overconfident; by plain counts the large one would hide it."""
    sets = {"small": drawn(600, 4, shift=3.0), "large": drawn(12_000, 5)}
    target = Targets(precision=0.9)
    alone = choose({"large": sets["large"]}, 0.5, target).thresholds
    found = outcome(sets, alone, target)
    assert found["auto_match"]["lower_bound_plain"] > 0.86
    assert found["auto_match"]["lower_bound"] < 0.8
    assert not found["precision"]["met"]
    both = choose(sets, 0.5, target).thresholds
    assert alone.review_high is not None
    assert both.review_high is not None
    assert both.review_high > alone.review_high + 0.1


def test_what_cannot_be_reached_says_so_with_the_best() -> None:
    few = {"few": drawn(60, 6)}
    found = choose(few, 0.5, Targets(precision=0.999)).report["precision"]
    assert not found["met"]
    assert 0.5 < found["reached"] < 0.999


def test_a_budget_that_is_too_small_comes_after_the_targets() -> None:
    targets = Targets(precision=0.97, npv=0.99, review_budget=0.01)
    found = choose(SETS, 0.4, targets).report
    assert found["precision"]["met"]
    assert found["npv"]["met"]
    assert not found["review_budget"]["met"]
    within = found["within_budget"]
    assert within["review_budget"]["met"]
    assert within["review"]["share"] < found["review"]["share"]
    assert not (within["precision"]["met"] and within["npv"]["met"])


def test_a_budget_alone_is_spent_where_the_errors_are() -> None:
    found = choose(SETS, 0.4, Targets(review_budget=0.05))
    assert found.report["review_budget"]["met"]
    assert 0.02 < found.report["review"]["share"] < 0.05
    none = outcome(SETS, Thresholds(match=0.4), Targets())
    wrong = [part["pairs"] - part["right"] for part in (found.report["auto_match"], found.report["auto_reject"])]
    all_wrong = [part["pairs"] - part["right"] for part in (none["auto_match"], none["auto_reject"])]
    assert sum(wrong) < 0.8 * sum(all_wrong)
    assert choose(SETS, 0.4, Targets(review_budget=0.0)).report["review"]["pairs"] == 0


def test_easy_targets_need_no_review() -> None:
    found = choose(SETS, 0.4, Targets(precision=0.6, npv=0.6, review_budget=0.0))
    assert found.thresholds == Thresholds(match=0.4, review_low=0.4, review_high=0.4)
    assert "within_budget" not in found.report


@given(
    st.integers(0, 10_000),
    st.one_of(st.none(), st.floats(0.5, 0.999)),
    st.one_of(st.none(), st.floats(0.5, 0.999)),
    st.one_of(st.none(), st.floats(0, 0.5)),
    st.floats(0.05, 0.95),
)
@settings(max_examples=40, deadline=None)
def test_any_targets_give_ordered_thresholds_and_a_true_report(
    seed: int, precision: float | None, npv: float | None, budget: float | None, match: float
) -> None:
    targets = Targets(precision, npv, budget)
    sets = {"a": drawn(80, seed), "b": drawn(40, seed + 1)}
    if not targets.any():
        with pytest.raises(ValueError, match="no target"):
            choose(sets, match, targets)
        return
    chosen = choose(sets, match, targets)
    low, high = chosen.thresholds.review_low, chosen.thresholds.review_high
    assert low is not None
    assert high is not None
    assert low <= chosen.thresholds.match <= high
    assert chosen.report == outcome(sets, chosen.thresholds, targets) | (
        {"within_budget": chosen.report["within_budget"]} if "within_budget" in chosen.report else {}
    )
    if "within_budget" in chosen.report:
        assert chosen.report["within_budget"]["review_budget"]["met"]


@given(st.floats(0.6, 0.98), st.floats(0.0, 0.019))
@settings(max_examples=25, deadline=None)
def test_a_higher_target_never_decides_more(target: float, more: float) -> None:
    shares = [
        choose(SETS, 0.4, Targets(precision=each)).report["auto_match"]["share"] for each in (target, target + more)
    ]
    assert shares[0] >= shares[1]


def test_the_true_precision_is_rarely_below_the_target() -> None:
    """The cut is chosen on one sample; what is true of it is the mean probability above it in the population."""
    population, _ = drawn(200_000, 8)
    missed = met = 0
    for seed in range(100):
        probabilities, labels = drawn(2_000, 100 + seed)
        chosen = choose({"x": (probabilities, labels)}, 0.5, Targets(precision=0.97))
        if chosen.report["precision"]["met"]:
            met += 1
            assert chosen.thresholds.review_high is not None
            missed += float(population[population >= chosen.thresholds.review_high].mean()) < 0.97
    assert met > 70
    assert missed / met <= 0.1  # 5% of single cuts, somewhat more of the boldest


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"precision": 1.0}, "precision must be between 0 and 1"),
        ({"npv": 0.0}, "npv must be between"),
        ({"review_budget": -0.1}, "review budget must be at least 0"),
    ],
)
def test_targets_that_make_no_sense(given: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Targets(**given)
