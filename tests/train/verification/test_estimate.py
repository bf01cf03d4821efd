"""The estimator against arithmetic, against the library, and against populations whose error rate is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from train.evaluation.metrics import Floats
from train.verification.estimate import clopper_pearson, hajek, horvitz_thompson, stratified_rates
from train.verification.plan import Design
from train.verification.simulate import perform, sample


@pytest.mark.parametrize(("errors", "size"), [(0, 59), (1, 59), (7, 100), (59, 59)])
def test_clopper_pearson_is_the_exact_interval(errors: int, size: int) -> None:
    exact = binomtest(errors, size).proportion_ci(0.95, method="exact")
    low, high = clopper_pearson(np.array(errors), np.array(size))
    assert (float(low), float(high)) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_one_stratum_is_a_simple_random_sample() -> None:
    found = stratified_rates(np.array([3]), np.array([80]), np.array([1_000_000]))
    exact = binomtest(3, 80).proportion_ci(0.95, method="exact")
    assert float(found.rate) == pytest.approx(3 / 80)
    assert (float(found.low), float(found.high)) == pytest.approx((exact.low, exact.high), abs=2e-3)
    assert found.low < found.lower < found.rate < found.upper < found.high


def test_59_checks_without_an_error_show_less_than_5_per_cent() -> None:
    sizes = np.array([100_000])
    assert stratified_rates(np.array([0]), np.array([59]), sizes).upper < 0.05
    assert stratified_rates(np.array([0]), np.array([58]), sizes).upper > 0.05


def test_strata_count_by_their_size_and_not_by_their_checks() -> None:
    sizes, checked, errors = np.array([9_000, 1_000]), np.array([100, 100]), np.array([1, 50])
    found = stratified_rates(errors, checked, sizes)
    assert float(found.rate) == pytest.approx(0.9 * 0.01 + 0.1 * 0.5)
    inclusion = np.repeat(checked / sizes, checked)
    wrong = np.concatenate([np.arange(100) < 1, np.arange(100) < 50])
    assert horvitz_thompson(wrong, inclusion, 10_000) == pytest.approx(float(found.rate))
    assert hajek(wrong, inclusion) == pytest.approx(float(found.rate))


def test_an_effective_size_is_never_above_what_the_weights_allow() -> None:
    # The heavy stratum shows no error: its own variance, estimated, is 0.
    sizes, checked, errors = np.array([9_000, 1_000]), np.array([30, 300]), np.array([0, 3])
    found = stratified_rates(errors, checked, sizes)
    weights = np.repeat(sizes / checked, checked)
    assert float(found.effective) == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    bold = stratified_rates(errors, checked, sizes, cautious=False)
    assert bold.effective > 1_000
    assert bold.upper < 0.003 < found.upper


def test_a_census_has_no_doubt() -> None:
    found = stratified_rates(np.array([3, 1]), np.array([90, 10]), np.array([90, 10]))
    assert float(found.rate) == float(found.low) == float(found.upper) == pytest.approx(0.04)


def test_a_stratum_without_a_check_may_be_anything() -> None:
    found = stratified_rates(np.array([0, 0]), np.array([300, 0]), np.array([800, 200]))
    assert float(found.uncovered) == pytest.approx(0.2)
    assert float(found.rate) == 0
    assert 0.2 < found.upper < 0.22


def test_a_part_of_which_nothing_is_checked_may_be_anything() -> None:
    found = stratified_rates(np.array([0, 0]), np.array([3, 3]), np.array([9, 9]), within=np.array([0, 0]))
    assert np.isnan(found.rate)
    assert (float(found.low), float(found.high), float(found.upper)) == (0, 1, 1)


@pytest.mark.parametrize(("errors", "within", "checked", "sizes"), [(2, 1, 3, 9), (1, 4, 3, 9), (1, 3, 10, 9)])
def test_impossible_counts(errors: int, within: int, checked: int, sizes: int) -> None:
    with pytest.raises(ValueError, match="more errors than checks"):
        stratified_rates(np.array([errors]), np.array([checked]), np.array([sizes]), np.array([within]))


REPETITIONS = 1_500
SKEWED = Design(40, np.array([10, 40, 100, 100]), np.array([20_000, 4_000, 800, 200]))
"""Inclusion probabilities from 0.002 to 0.5."""
EVEN = Design(150, np.array([50, 50, 50]), np.array([5_000, 3_000, 2_000]))


@pytest.mark.parametrize("plan", [SKEWED, EVEN], ids=["skewed", "even"])
@pytest.mark.parametrize("rate", [0.01, 0.02, 0.05, 0.2])
@pytest.mark.parametrize("where", ["everywhere", "often drawn", "seldom drawn"])
def test_the_interval_covers_and_the_estimate_is_unbiased(plan: Design, rate: float, where: str) -> None:
    errors = placed(plan, rate, where)
    rng = np.random.default_rng([int(1000 * rate), len(where), plan.uniform])
    found = perform(plan, errors, sample(plan, errors, REPETITIONS, rng))
    assert found.coverage >= 0.93
    assert found.upper_coverage >= 0.93
    # Four standard errors; 24 populations of two estimates exceed three now and then.
    assert abs(found.bias) < 4 * found.bias_error
    assert abs(found.bias_of_inclusion) < 4 * found.bias_of_inclusion_error


def placed(plan: Design, rate: float, where: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """[strata]: errors of this rate, spread evenly, or first where claims are likeliest or least likely to be drawn."""
    if where == "everywhere":
        return np.round(plan.sizes * rate).astype(np.int64)
    left = round(rate * plan.sizes.sum())
    errors = np.zeros_like(plan.sizes)
    order = np.argsort(plan.inclusion() * (-1 if where == "often drawn" else 1))
    for stratum in order:
        errors[stratum] = min(left, plan.sizes[stratum] * 8 // 10)
        left -= errors[stratum]
    return errors


def test_many_populations() -> None:
    rng = np.random.default_rng(11)
    coverages: list[tuple[float, float]] = []
    for _ in range(40):
        strata = int(rng.integers(1, 9))
        sizes = np.maximum(4, np.exp(rng.normal(6.5, 1.3, strata))).astype(np.int64)
        budget = min(int(rng.choice([60, 120, 300])), int(sizes.sum()))
        uniform = max(1, int(budget * rng.choice([0.2, 0.5])))
        targeted = np.minimum(sizes, rng.multinomial(budget - uniform, rng.dirichlet(np.full(strata, 0.7))) + 2)
        spread: Floats = np.exp(rng.normal(0, 1.2, strata)) * (rng.random(strata) < 0.7)
        errors = np.round(sizes * np.minimum(0.9, rng.choice([0.01, 0.02, 0.1]) * spread)).astype(np.int64)
        plan = Design(uniform, targeted, sizes)
        found = perform(plan, errors, sample(plan, errors, 800, rng))
        coverages.append((found.coverage, found.upper_coverage))
    # A share of 800 has a standard error of 0.8 points at 95%.
    assert np.array(coverages).min() >= 0.93


def test_without_its_caution_the_interval_fails_where_errors_are_rare() -> None:
    errors = placed(SKEWED, 0.01, "everywhere")
    samples = sample(SKEWED, errors, REPETITIONS, np.random.default_rng(0))
    assert perform(SKEWED, errors, samples, cautious=False).coverage < 0.8
    assert perform(SKEWED, errors, samples).coverage > 0.95
