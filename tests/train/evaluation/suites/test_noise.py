from __future__ import annotations

import pytest

from schemas.policy import Policy
from train.evaluation.suites.bench import Bench, balanced
from train.evaluation.suites.noise import KINDS, LISTED, make_cases, run
from train.pairs.pairs import Pair
from worker.student.student import Student


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_changes_one_side(sets: dict[str, list[Pair]], kind: str) -> None:
    pool = balanced(sets, 40, seed=3)
    cases = make_cases(pool, kind, 8, seed=3)
    assert len(cases) == 8
    assert cases == make_cases(pool, kind, 8, seed=3)
    for case in cases:
        assert sum(a != b for a, b in zip(case.before, case.after, strict=True)) == 1


def test_the_report_counts_only_what_was_right_before(student: Student, sets: dict[str, list[Pair]]) -> None:
    always = Bench(student, Policy(match_threshold=0.0))
    found = run(always, sets, cases=8, extra=4, seed=3)
    assert found["wrong_before"] > 0
    assert found["changed_non_matches"]["n"] == 0
    assert found["changed"]["count"] == 0
    assert found["targets"]["changed"]["met"]
    found = run(Bench(student, Policy()), sets, cases=8, extra=4, seed=3)
    assert found["changed"]["n"] == sum(found["kinds"][kind]["n"] for kind in LISTED)
    assert found["changed"]["count"] == sum(found["kinds"][kind]["count"] for kind in LISTED)
    assert set(found["kinds"]) == set(KINDS)
    assert found["worst"] in LISTED
