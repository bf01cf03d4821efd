"""A judge that remembers."""

from __future__ import annotations

from pathlib import Path

from tests.worker.replay.conftest import offer
from tests.worker.stream.conftest import RuleJudge
from worker.replay.cache import RememberingJudge
from worker.replay.store import Inputs
from worker.student.student import Student

A, B, C = offer("a:1"), offer("b:1"), offer("c:1", "sony camera w130")


def test_nothing_is_judged_twice_and_the_order_of_a_pair_counts(tmp_path: Path) -> None:
    judge = RuleJudge()
    with Inputs(tmp_path / "i") as inputs:
        remembering = RememberingJudge(judge, inputs)
        first = remembering.judge(A, [B, C, B])
        assert judge.asked == [("a:1", "b:1"), ("a:1", "c:1")]
        inputs.commit()
    with Inputs(tmp_path / "i") as inputs:
        remembering = RememberingJudge(judge, inputs)
        assert remembering.judge(A, [C, B]) == [first[1], first[0]]
        assert len(judge.asked) == 2
        remembering.judge(B, [A])
        remembering.judge(A, [B.model_copy(update={"description": "new"})])
        assert judge.asked[2:] == [("b:1", "a:1"), ("a:1", "b:1")]


def test_what_a_student_said_comes_back_bit_for_bit(tiny_bundle: Path) -> None:
    student = Student.load(tiny_bundle, threads=1)
    with Inputs(Path(":memory:")) as inputs:
        remembering = RememberingJudge(student, inputs)
        (said,) = remembering.judge(A, [C])
        told = remembering.explain(A, C, said, "different")
        assert remembering.judge(A, [C]) == [said] == student.judge(A, [C])
        assert remembering.explain(A, C, said, "different") == told == student.explain(A, C, said, "different")
        assert remembering.manifest == student.manifest
