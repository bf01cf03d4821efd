from __future__ import annotations

from typing import Any

import pytest

from tests.train.verification.making import check, checks
from train.verification.assess import assess, majority
from train.verification.records import VerificationFileError


def test_majority() -> None:
    assert majority(["a", "b", "a"]) == "a"
    assert majority(["a", "b"]) is None
    assert majority([]) is None


def test_a_wrong_answer_is_what_people_contradict() -> None:
    found = assess(checks(["match"] * 18 + ["no_match"] * 2))
    assert (found.answer.checks, found.answer.errors) == (20, 2)
    assert found.answer.rate == pytest.approx(0.1)
    assert found.uniform.rate == pytest.approx(0.1)
    assert found.horvitz_thompson == pytest.approx(0.1)
    assert found.hajek == pytest.approx(0.1)
    assert (found.tasks, found.checked, found.unresolved, found.uncovered) == (20, 20, 0, 0)
    denied = assess(checks(["match"] * 20, answer="different"))
    assert denied.answer.rate == 1


def test_reviewers_of_one_claim_are_one_check() -> None:
    votes = [check(1, "match", "ann"), check(1, "no_match", "bob"), check(1, "no_match", "cem"), check(2)]
    found = assess(votes)
    assert (found.checked, found.answer.errors) == (2, 1)


def test_what_nobody_could_confirm_is_an_error_unless_left_out() -> None:
    votes = [check(1, "match", "ann"), check(1, "no_match", "bob"), check(2, "unsure"), check(3)]
    strict, lenient = assess(votes), assess(votes, unresolved="skip")
    assert strict.unresolved == lenient.unresolved == 2
    assert (strict.answer.checks, strict.answer.errors) == (3, 2)
    assert (lenient.answer.checks, lenient.answer.errors) == (1, 0)


def test_unchecked_tasks_leave_no_horvitz_thompson_estimate() -> None:
    found = assess([check(number) for number in range(4)])
    assert (found.tasks, found.checked, found.horvitz_thompson) == (10, 4, None)
    assert found.answer.rate == 0


def test_strata_weigh_by_their_size() -> None:
    low: dict[str, Any] = {"stratum": "low", "stratum_size": 90, "stratum_drawn": 5, "inclusion_probability": 5 / 90}
    high: dict[str, Any] = {
        "stratum": "high",
        "stratum_size": 10,
        "stratum_drawn": 5,
        "inclusion_probability": 0.5,
        "share": "targeted",
    }
    votes = [check(n, **low) for n in range(5)] + [check(n, "no_match", **high) for n in range(5, 10)]
    found = assess(votes)
    assert found.answer.rate == pytest.approx(0.1)
    assert found.horvitz_thompson == pytest.approx(0.1)
    assert (found.uniform.checks, found.uniform.errors) == (5, 0)


def test_strata_that_nobody_checked_are_allowed_for() -> None:
    part: dict[str, Any] = {"stratum": "high", "stratum_size": 10, "stratum_drawn": 5}
    found = assess([check(n, **part) for n in range(5)])
    assert found.uncovered == pytest.approx(0.9)
    assert found.answer.upper > 0.9


def test_attributes_count_where_both_spoke() -> None:
    said: dict[str, Any] = {"verdicts": {"brand": "same", "variant": "unknown"}}
    votes = [
        check(1, attributes={"brand": "same", "quantity": "same"}, **said),
        check(2, attributes={"brand": "different", "variant": "same"}, **said),
        check(3, **said),
    ]
    found = assess(votes).attributes
    assert (found["brand"].checks, found["brand"].errors) == (2, 1)
    assert (found["variant"].checks, found["variant"].errors) == (1, 1)
    assert (found["quantity"].checks, found["quantity"].rate) == (0, None)


def test_a_claim_without_an_answer_is_checked_for_its_attributes_only() -> None:
    found = assess([check(1, answer=None, verdicts={"brand": "same"}, attributes={"brand": "same"})])
    assert (found.answer.checks, found.answer.rate, found.answer.upper) == (0, None, 1)
    assert found.attributes["brand"].rate == 0


def test_several_draws_are_not_estimated_together() -> None:
    with pytest.raises(VerificationFileError, match="seed is 0 and 1"):
        assess([check(1), check(2, seed=1)])
    with pytest.raises(VerificationFileError, match="set_name is other and teacher-a"):
        assess([check(1), check(2, set_name="other")])
    with pytest.raises(VerificationFileError, match="no checks"):
        assess([])
