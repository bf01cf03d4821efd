from __future__ import annotations

from collections import Counter
from itertools import combinations
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.verification.plan import Design, PlanError, allocate, design, draw, plan_tasks
from train.verification.records import Claim
from train.verification.strata import Strata


def claims(number: int = 600) -> list[Claim]:
    made = Random(3)
    return [
        Claim(
            pair_id=f"p{n}",
            answer="same" if n % 3 else "different",
            source="abcd"[n % 4],
            student_probability=made.random() if n % 10 else None,
            price=made.expovariate(0.01),
            change_rate=made.random(),
        )
        for n in range(number)
    ]


def test_a_budget_is_spent_and_every_task_tells_how_it_was_drawn() -> None:
    tasks = plan_tasks(claims(), 120, set_name="teacher", seed=5)
    assert len(tasks) == len({task.pair_id for task in tasks}) == 120
    assert Counter(task.share for task in tasks) == {"uniform": 60, "targeted": 60}
    assert {(task.set_name, task.set_size, task.seed, task.uniform_probability) for task in tasks} == {
        ("teacher", 600, 5, 0.1)
    }
    for stratum, drawn in Counter(task.stratum for task in tasks).items():
        own = [task for task in tasks if task.stratum == stratum]
        assert {task.stratum_drawn for task in own} == {drawn}
        assert len({(task.stratum_size, task.inclusion_probability) for task in own}) == 1
        assert own[0].inclusion_probability > own[0].uniform_probability
    means = {
        level: np.mean([task.inclusion_probability for task in tasks if f"ambiguity={level}" in task.stratum])
        for level in ("low", "high")
    }
    assert means["high"] > means["low"]


def test_the_draw_depends_on_content_and_seed_alone() -> None:
    rows = claims(200)
    first = plan_tasks(rows, 30, set_name="s", seed=1)
    assert plan_tasks(rows[::-1], 30, set_name="s", seed=1) == first
    assert {t.pair_id for t in plan_tasks(rows, 30, set_name="s", seed=2)} != {t.pair_id for t in first}


def test_a_budget_for_all_is_a_census() -> None:
    tasks = plan_tasks(claims(20), 50, set_name="s")
    assert len(tasks) == 20
    assert {task.inclusion_probability for task in tasks} == {1.0}


@pytest.mark.parametrize(("budget", "share", "said"), [(0, 0.5, "budget is 0"), (5, 0.0, "uniform share is 0")])
def test_what_cannot_be_planned(budget: int, share: float, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        plan_tasks(claims(10), budget, set_name="s", uniform_share=share)


def every_outcome(plan: Design) -> list[float]:
    """The inclusion probability of each stratum by listing every uniform sample; within it, all claims are alike."""
    of_claim = np.repeat(np.arange(len(plan.sizes)), plan.sizes)
    samples = list(combinations(range(len(of_claim)), plan.uniform))
    found = np.zeros(len(plan.sizes))
    for sample in samples:
        uniform = np.bincount(of_claim[list(sample)], minlength=len(plan.sizes))
        found += (uniform + np.minimum(plan.targeted, plan.sizes - uniform)) / plan.sizes
    return [float(share) for share in found / len(samples)]


@pytest.mark.parametrize(
    ("uniform", "targeted", "sizes"),
    [(3, [2, 1], [8, 4]), (3, [1, 3], [8, 3]), (4, [0, 2, 2], [6, 2, 3]), (2, [5, 4], [5, 4]), (1, [0], [4])],
)
def test_inclusion_probabilities_are_exact(uniform: int, targeted: list[int], sizes: list[int]) -> None:
    plan = Design(uniform, np.array(targeted), np.array(sizes))
    assert plan.inclusion().tolist() == pytest.approx(every_outcome(plan), abs=1e-12)


def test_rows_are_drawn_as_often_as_they_should_be() -> None:
    plan = Design(6, np.array([2, 5, 3]), np.array([30, 12, 4]))
    rng = np.random.default_rng(0)
    of_claim = rng.permutation(np.repeat(np.arange(3), plan.sizes))
    repetitions = 1_000
    drawn, uniform = np.zeros(len(of_claim)), np.zeros(len(of_claim))
    for _ in range(repetitions):
        found = draw(plan, of_claim, rng)
        drawn[found.rows] += 1
        uniform[found.rows[found.by_uniform]] += 1
    expected = plan.inclusion()[of_claim]
    # Five standard errors of a share of so many repetitions.
    assert np.abs(drawn / repetitions - expected).max() < 5 * 0.5 / np.sqrt(repetitions)
    assert np.abs(uniform / repetitions - 6 / 46).max() < 5 * 0.5 / np.sqrt(repetitions)


sizes = st.lists(st.integers(1, 400), min_size=1, max_size=8)


@settings(deadline=None, max_examples=40)
@given(sizes, st.integers(0, 300), st.data())
def test_an_allocation_spends_what_it_can_and_no_more(rows: list[int], budget: int, data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.floats(0.1, 64), min_size=len(rows), max_size=len(rows)))
    given_ = allocate(np.array(rows), np.array(weights), budget, np.array(rows))
    assert (given_ <= np.array(rows)).all()
    assert given_.sum() == min(budget, sum(rows))
    if sum(min(2, size) for size in rows) <= budget:
        assert (given_ >= np.minimum(2, rows)).all()


@settings(deadline=None, max_examples=20)
@given(sizes, st.integers(1, 600), st.floats(0.05, 1))
def test_a_design_keeps_to_its_budget(rows: list[int], budget: int, share: float) -> None:
    strata = Strata(tuple(map(str, rows)), np.repeat(np.arange(len(rows)), rows), np.array(rows), np.ones(len(rows)))
    plan = design(strata, budget, share)
    probabilities = plan.inclusion()
    assert ((probabilities > 0) & (probabilities <= 1)).all()
    drawn = draw(plan, strata.of_claim, np.random.default_rng(1)).rows
    assert len(drawn) == len(set(drawn.tolist())) <= min(budget, sum(rows))
    # The probabilities add up to the size that is drawn on average.
    assert float(probabilities @ plan.sizes) <= budget + 1e-9
