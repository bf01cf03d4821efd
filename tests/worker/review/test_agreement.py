"""How far two people agree."""

from __future__ import annotations

import pytest

from worker.review.agreement import Agreement, agreement, measured


def test_kappa_of_a_known_table() -> None:
    # Cohen's textbook table: 20 and 15 alike of 50, kappa 0.4.
    answers = [("match", "match")] * 20 + [("match", "no_match")] * 5
    answers += [("no_match", "match")] * 10 + [("no_match", "no_match")] * 15
    found = agreement(answers)
    assert (found.pairs, found.alike, found.share) == (50, 35, 0.7)
    assert found.kappa == pytest.approx(0.4)


def test_where_chance_explains_everything_there_is_no_kappa() -> None:
    assert agreement([("match", "match")] * 5) == Agreement(5, 5, None)
    assert agreement([]) == Agreement(0, 0, None)


def test_people_are_taken_in_twos_and_an_unanswered_pair_is_left_out() -> None:
    said = [
        ("1", "ben", "match"),
        ("1", "anna", "match"),
        ("2", "anna", "match"),
        ("2", "cara", "no_match"),
        ("3", "ben", "match"),
    ]
    overall, people = measured(said)
    assert (overall.pairs, overall.alike) == (2, 1)
    assert {names: each.alike for names, each in people.items()} == {("anna", "ben"): 1, ("anna", "cara"): 0}
