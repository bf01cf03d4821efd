from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from export.verify import frozen_pairs
from schemas.offer import Offer
from schemas.policy import Policy
from train.evaluation.evaluate import is_readable, judge_pairs, report, swap_report
from train.pairs.pairs import Pair
from worker.student.judge import Judgement
from worker.student.student import Student


@pytest.fixture(scope="module")
def student(tiny_bundle: Path) -> Student:
    return Student.load(tiny_bundle, threads=1)


@pytest.fixture(scope="module")
def pairs() -> Sequence[Pair]:
    return [
        Pair(str(number), item.query, item.candidate, number % 2, "frozen")
        for number, item in enumerate(frozen_pairs()[:12])
    ]


def test_every_pair_gets_the_judgement_it_gets_alone(student: Student, pairs: Sequence[Pair]) -> None:
    told: list[int] = []
    # The same query twice, apart: judged together, answered in the order of the pairs.
    query = pairs[0].left
    asked = [*pairs[:3], Pair("again", query, pairs[1].right, 0, "frozen")]
    found = judge_pairs(student, asked, progress=told.append)
    assert sum(told) == 4
    assert len(told) == 3
    for pair, judgement in zip(asked, found.judgements, strict=True):
        assert judgement == student.judge(pair.left, [pair.right])[0]


def test_the_sides_can_be_swapped(student: Student, pairs: Sequence[Pair]) -> None:
    found = judge_pairs(student, pairs[:2], swap=True)
    assert found.judgements[0] == student.judge(pairs[0].right, [pairs[0].left])[0]
    moved = swap_report(judge_pairs(student, pairs[:2]), found, 0.5)
    assert 0 <= moved["flip_rate"] <= 1
    assert moved["mean_probability_move"] > 0
    assert swap_report(found, found, 0.5) == {"flip_rate": 0.0, "mean_probability_move": 0.0}


def test_the_report(student: Student, pairs: Sequence[Pair]) -> None:
    scored = judge_pairs(student, pairs)
    found = report(scored, student.manifest, Policy(), threshold=0.5)
    labels, predicted = scored.labels(), scored.probabilities() >= 0.5
    hits = int((labels & predicted).sum())
    assert (found["pairs"], found["positives"], found["threshold"]) == (12, 6, 0.5)
    assert found["recall"] == round(hits / 6, 4)
    assert found["f1_low"] <= found["f1"] <= found["f1_high"]
    assert found["parse_rate"] == 1.0
    assert found["bundle"]["digest"] == student.manifest.digest()
    assert found["trained_on"] == {"digest": student.manifest.training_digest, "sets": student.manifest.trained_on}


class Mute:
    """Answers like the student it wraps, except that some answers cannot be read."""

    def __init__(self, student: Student) -> None:
        self._student = student
        self.manifest = student.manifest
        self.explain = student.explain

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        return [
            Judgement(float("nan"), float("nan"), item.attributes) for item in self._student.judge(query, candidates)
        ]


def test_an_answer_that_cannot_be_read_is_a_non_match(student: Student, pairs: Sequence[Pair]) -> None:
    scored = judge_pairs(Mute(student), pairs[:4])
    found = report(scored, student.manifest, Policy(), threshold=0.5)
    assert (found["parse_rate"], found["f1"], found["precision"]) == (0.0, 0.0, 0.0)
    readable = student.judge(pairs[0].left, [pairs[0].right])[0]
    assert is_readable(readable)
    assert not is_readable(Judgement(1.0, 0.5, {}))
