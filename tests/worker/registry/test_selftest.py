from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.offer import Offer
from tests.judges import LengthJudge
from worker.registry.failures import SelfTestFailed
from worker.registry.selftest import golden_pairs, self_test
from worker.student.judge import Judgement
from worker.student.student import Student


def test_a_sound_judge_passes() -> None:
    assert self_test(LengthJudge()) == 3 * len(golden_pairs())


def test_a_real_student_passes(tiny_bundle: Path) -> None:
    assert self_test(Student.load(tiny_bundle, threads=1)) > 0


class Constant(LengthJudge):
    def one(self, query: Offer, candidate: Offer) -> Judgement:
        return Judgement(1.0, 0.7, {})


class Forgetful(LengthJudge):
    """Says something else every time."""

    def one(self, query: Offer, candidate: Offer) -> Judgement:
        return replace(super().one(query, candidate), logit=float(self.calls))


class Sociable(LengthJudge):
    """What it says of a pair depends on its company."""

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        return [replace(made, logit=made.logit + len(candidates) / 100) for made in super().judge(query, candidates)]


class Lopsided(LengthJudge):
    """Fails in one order of the offers only."""

    def one(self, query: Offer, candidate: Offer) -> Judgement:
        made = super().one(query, candidate)
        return made if query.source == "north" else replace(made, logit=math.nan)


class Certain(LengthJudge):
    def one(self, query: Offer, candidate: Offer) -> Judgement:
        return replace(super().one(query, candidate), probability=1.5)


class Mute(LengthJudge):
    def explain(self, *_: object) -> object:  # type: ignore[override]
        raise KeyError("no token for that")


@pytest.mark.parametrize(
    ("judge", "why"),
    [
        (Constant(), "every pair got the same logit, 1.0"),
        (Forgetful(), "another judgement the second time"),
        (Sociable(), "another judgement the second time"),
        (LengthJudge(shift=math.inf), "a logit is inf"),
        (Lopsided(), "a logit is nan"),
        (Certain(), "a probability is 1.5"),
        (Mute(), "KeyError: 'no token for that'"),
        (LengthJudge(prompt_hash="other"), "another prompt or grammar"),
        (LengthJudge(grammar_hash="other"), "another prompt or grammar"),
    ],
)
def test_an_unsound_one_is_refused(judge: LengthJudge, why: str) -> None:
    with pytest.raises(SelfTestFailed, match=why) as caught:
        self_test(judge)
    assert judge.manifest.digest()[:16] in str(caught.value)
