from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from export.verify import frozen_pairs
from schemas.offer import Offer
from train.report.cache import CachedJudge, Kept, digest_of
from worker.student.judge import Judgement
from worker.student.student import Student


@pytest.fixture(scope="module")
def student(tiny_bundle: Path) -> Student:
    return Student.load(tiny_bundle, threads=1)


class Counting:
    """A judge that counts the pairs it was asked about."""

    def __init__(self, student: Student) -> None:
        self._student, self.asked = student, 0
        self.manifest, self.explain = student.manifest, student.explain

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        self.asked += len(candidates)
        return self._student.judge(query, candidates)


def test_no_pair_is_judged_twice_and_all_is_said_as_before(student: Student, tmp_path: Path) -> None:
    pairs = frozen_pairs()[:3]
    query, others = pairs[0].query, [pair.candidate for pair in pairs]
    counting = Counting(student)
    first = CachedJudge(counting, tmp_path)
    said = first.judge(query, others[:2])
    assert said == student.judge(query, others[:2])
    again = CachedJudge(counting, tmp_path)
    assert again.judge(query, [others[1], others[2], others[0], others[0]]) == student.judge(
        query, [others[1], others[2], others[0], others[0]]
    )
    assert counting.asked == 3
    assert (again.judged, first.judged) == (3, 2)
    assert again.seconds > first.seconds > 0
    assert again.manifest is student.manifest
    assert again.explain(query, others[0], said[0]) == student.explain(query, others[0], said[0])


def test_a_line_cut_by_a_kill_is_judged_again(student: Student, tmp_path: Path) -> None:
    pair = frozen_pairs()[0]
    CachedJudge(student, tmp_path).judge(pair.query, [pair.candidate])
    (file,) = tmp_path.glob("judgements-*.jsonl")
    file.write_bytes(file.read_bytes()[:-20])
    counting = Counting(student)
    CachedJudge(counting, tmp_path).judge(pair.query, [pair.candidate])
    CachedJudge(counting, tmp_path).judge(pair.query, [pair.candidate])
    assert counting.asked == 1
    assert (tmp_path / ".gitignore").read_text() == "*\n"


def test_another_order_is_another_question(student: Student, tmp_path: Path) -> None:
    pair = frozen_pairs()[0]
    judge = CachedJudge(student, tmp_path)
    judge.judge(pair.query, [pair.candidate])
    assert judge.judge(pair.candidate, [pair.query]) == student.judge(pair.candidate, [pair.query])


def test_values_are_kept_by_key(tmp_path: Path) -> None:
    made: list[int] = []

    def compute() -> list[int]:
        made.append(1)
        return [len(made)]

    kept = Kept(tmp_path)
    assert kept.get("x", digest_of("a"), compute) == [1]
    assert Kept(tmp_path).get("x", digest_of("a"), compute) == [1]
    assert kept.get("x", digest_of("b"), compute) == [2]
