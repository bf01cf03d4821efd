from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from schemas.labeling_settings import LabelingSettings
from worker.labeling.budget import WINDOW_DECISIONS, Budget, advance, spend
from worker.labeling.chances import chances, draw

START = datetime(2026, 11, 23, tzinfo=UTC)
SETTINGS = LabelingSettings(budget_per_day=200, uniform_rate=0.05)


def a_day(
    per_second: float, settings: LabelingSettings, base: float = 0.3, parts: int = 1
) -> tuple[Budget, list[float]]:
    """A day of even traffic, a tenth of it uncertain: the budget at its end, and every chance that was in force."""
    budget, seen = Budget.fresh(settings), []
    for number in range(int(86_399 * per_second)):
        budget = advance(budget, START + timedelta(seconds=number / per_second), settings, parts)
        targeted = {"uncertainty": base} if number % 10 == 0 else {}
        taken = draw(f"{per_second} {number}", chances(targeted, budget.scale))  # type: ignore[arg-type]
        seen.append(budget.uniform)
        uniform = taken is not None and "uniform" in taken.reasons
        budget = spend(budget, max(targeted.values(), default=0.0), uniform, taken is not None)
    return budget, seen


def test_a_quiet_day_is_drawn_at_the_full_chances() -> None:
    budget, seen = a_day(0.02, SETTINGS)
    assert {*seen} == {SETTINGS.uniform_rate}
    assert budget.targeted == 1.0


@pytest.mark.parametrize("per_second", [0.1, 0.4])
def test_a_busy_day_keeps_to_its_budget(per_second: float) -> None:
    budget, seen = a_day(per_second, SETTINGS)
    first_window = per_second * SETTINGS.window_s * (SETTINGS.uniform_rate + 0.03)
    assert budget.uniform_spent + budget.targeted_spent == pytest.approx(200, rel=0.25, abs=first_window)
    assert min(seen) >= SETTINGS.min_uniform_rate
    assert seen[-1] < SETTINGS.uniform_rate


def test_chances_change_only_between_windows() -> None:
    _, seen = a_day(0.2, SETTINGS)
    moments = np.flatnonzero(np.diff(seen)) + 1
    assert len(moments) > 10
    windows = moments / 0.2 / SETTINGS.window_s
    assert (np.diff(windows) > 0.99).all()


def test_a_flood_ends_its_window_early() -> None:
    budget = Budget.fresh(SETTINGS)
    for number in range(WINDOW_DECISIONS + 1):
        budget = spend(advance(budget, START + timedelta(milliseconds=number), SETTINGS, 1), 0.0, False, False)
    after = advance(budget, START + timedelta(milliseconds=WINDOW_DECISIONS + 1), SETTINGS, 1)
    assert after.uniform == SETTINGS.min_uniform_rate


def test_spent_targeted_budget_ends_the_targeted_chances_and_only_those() -> None:
    budget = advance(Budget.fresh(SETTINGS), START, SETTINGS, 1)
    for _ in range(100):
        budget = spend(budget, 0.5, False, True)
    after = advance(budget, START + timedelta(seconds=1), SETTINGS, 1)
    assert (after.targeted, after.uniform) == (0.0, SETTINGS.uniform_rate)
    next_day = advance(after, START + timedelta(days=1), SETTINGS, 1)
    assert next_day.targeted > 0
    assert next_day.targeted_spent == 0


def test_partitions_share_the_budget() -> None:
    whole, _ = a_day(0.2, SETTINGS)
    part, _ = a_day(0.2, SETTINGS, parts=4)
    assert part.uniform_spent + part.targeted_spent < (whole.uniform_spent + whole.targeted_spent) / 2


def test_a_late_decision_counts_into_the_window_at_work() -> None:
    budget = spend(advance(Budget.fresh(SETTINGS), START, SETTINGS, 1), 0.0, False, False)
    late = advance(budget, START - timedelta(hours=3), SETTINGS, 1)
    assert (late.since, late.day, late.uniform) == (budget.since, budget.day, budget.uniform)


def test_it_travels_as_short_text() -> None:
    budget, _ = a_day(0.02, SETTINGS)
    assert Budget.loads(budget.dumps(), SETTINGS) == budget
    assert len(budget.dumps()) < 1_000
    for text in ("", "{", "[]", '{"v": 2}', '{"v": 1, "x": 1}'):
        assert Budget.loads(text, SETTINGS) == Budget.fresh(SETTINGS)
