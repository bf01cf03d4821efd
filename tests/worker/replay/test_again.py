"""Judging again what was decided: same contents, same side first, and nothing guessed."""

from __future__ import annotations

from collections import Counter

import structlog

from schemas.decision import DELETED_DIGEST
from tests.decisions import NOW
from tests.worker.replay.conftest import about, offer
from tests.worker.stream.conftest import MANIFEST, POLICY, RuleJudge
from worker.replay.again import FAILED, JUDGED, MISSING, RETRACTED, Again, groups, pairs_of
from worker.stream.bench import Bench, seated
from worker.stream.metrics import Metrics
from worker.stream.pairs import Basis

A, B, C = offer("a:1"), offer("b:1"), offer("c:1", "sony camera w130")
OFFERS = {each.digest(): each for each in (A, B, C)}


def again(judge: RuleJudge) -> Again:
    bench = Bench(seated(judge, Basis(MANIFEST.ref(), POLICY.resolved())), Metrics(), structlog.get_logger())
    return Again(bench, "r", lambda: NOW, structlog.get_logger())


def test_a_pair_is_judged_as_it_was_from_the_same_side() -> None:
    judge, counts = RuleJudge(), Counter[str]()
    old = about(A, C, "match", query_key="c:1", candidate_key="a:1", candidate_rank=3, linked=True)
    (made,) = again(judge).judge(list(pairs_of([old], OFFERS, counts)), counts)
    assert made is not None
    assert judge.asked == [("c:1", "a:1")]
    assert (made.verdict, made.previous_verdict, made.previous_decision_id) == ("no_match", "match", old.decision_id)
    assert (made.first, made.second, made.source) == (old.first, old.second, old.source)
    assert (made.candidate_rank, made.linked, made.replay) == (3, True, "r")
    assert made.bundle == MANIFEST.ref()
    assert counts == {JUDGED: 1, FAILED: 0}


def test_what_cannot_be_found_is_counted_and_not_guessed() -> None:
    counts = Counter[str]()
    gone = about(A, B)
    gone = gone.model_copy(update={"first": gone.first.model_copy(update={"digest": DELETED_DIGEST})})
    lost = about(A, offer("d:1", "of which nobody knows"))
    assert list(pairs_of([gone, lost, about(A, B, "retracted")], OFFERS, counts)) == []
    assert counts == {RETRACTED: 2, MISSING: 1}


def test_a_pair_that_the_student_cannot_judge_leaves_the_others_alone() -> None:
    poison = offer("p:1", "poison w120")
    offers = {**OFFERS, poison.digest(): poison}
    counts = Counter[str]()
    pairs = list(pairs_of([about(A, B), about(A, poison), about(poison, C)], offers, counts))
    made = again(RuleJudge()).judge(pairs, counts)
    assert [each is not None for each in made] == [True, False, False]
    assert (counts[JUDGED], counts[FAILED]) == (1, 2)


def test_two_versions_of_one_candidate_are_not_confused() -> None:
    other = offer("b:1", "sony camera w130")
    counts = Counter[str]()
    pairs = list(pairs_of([about(A, B), about(A, other), about(A, C)], {**OFFERS, other.digest(): other}, counts))
    assert [len(group) for group in groups(pairs)] == [1, 2]
    made = again(RuleJudge()).judge(pairs, counts)
    assert [each.verdict for each in made if each is not None] == ["match", "no_match", "no_match"]
