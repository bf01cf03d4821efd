from __future__ import annotations

from schemas.policy import Policy
from train.evaluation.suites.bench import Bench, balanced
from train.evaluation.suites.swap import run
from train.pairs.pairs import Pair
from worker.student.student import Student


def test_the_report(student: Student, sets: dict[str, list[Pair]]) -> None:
    found = run(Bench(student, Policy(match_threshold=0.5)), sets, cases=12, seed=3)
    changed = 0
    for pair in balanced(sets, 12, seed=3):
        one, other = student.judge(pair.left, [pair.right])[0], student.judge(pair.right, [pair.left])[0]
        changed += (one.probability >= 0.5) != (other.probability >= 0.5)
    assert (found["changed"]["n"], found["changed"]["count"]) == (12, changed)
    assert found["mean_probability_move"] > 0
    assert run(Bench(student, Policy(match_threshold=0.0)), sets, cases=12, seed=3)["targets"]["changed"]["met"]
