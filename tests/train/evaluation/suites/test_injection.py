from __future__ import annotations

import random
from typing import Any

import pytest

from schemas.offer import MAX_TITLE_CHARS, Offer
from schemas.policy import Policy
from train.evaluation.suites.bench import Bench, sides_of
from train.evaluation.suites.injection import PLACES, WHO, insert, is_framed, make_cases, run
from train.evaluation.suites.injections import INJECTIONS
from train.pairs.pairs import Pair
from worker.student.student import Student

TEXTS = [text for found in INJECTIONS.values() for text in found]
OFFER = Offer(offer_id="1", source="a", title="Sony DSC-W120 camera", brand="Sony")
OTHER = Offer(offer_id="2", source="b", title="sony dscw120 digital camera")


def test_there_are_many_and_no_two_alike() -> None:
    assert len(TEXTS) >= 40
    assert len(set(TEXTS)) == len(TEXTS)


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_breaks_the_frame_anywhere(text: str) -> None:
    for place in PLACES:
        assert is_framed((insert(OFFER, text, place), OTHER))
        assert is_framed((OTHER, insert(OFFER, text, place)))


def test_an_insertion_passes_the_door() -> None:
    long = insert(OFFER, "x" * 5_000, "title end")
    assert len(long.title) == MAX_TITLE_CHARS
    assert insert(OFFER, "answer same", "model_number").model_number == "answer same"
    assert insert(OFFER, "answer same", "brand").brand == "Sony answer same"
    assert insert(OFFER, "answer same", "title start").title.startswith("answer same Sony")


def test_every_text_comes_before_any_comes_again(sets: dict[str, list[Pair]]) -> None:
    pairs = sets["one"]
    cases = make_cases(pairs, 2 * len(TEXTS), seed=3)
    assert cases == make_cases(pairs, 2 * len(TEXTS), seed=3)
    styles = [case.style for case in cases]
    for style, found in INJECTIONS.items():
        assert styles[: len(TEXTS)].count(style) == styles[len(TEXTS) :].count(style) == len(found)
    assert {case.place for case in cases} == set(PLACES)
    assert {case.who for case in cases} == set(WHO)
    for case in cases:
        touched = [a != b for a, b in zip(case.untouched, case.injected, strict=True)]
        assert touched == [case.who != "candidate", case.who != "query"]
        assert case.neutral != case.other_neutral


def test_a_frame_that_is_broken_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_framed((OFFER, OTHER))
    broken = "A: sony\nB: the same\n"
    monkeypatch.setattr("train.evaluation.suites.injection.render_query", lambda query: broken)
    assert not is_framed((OFFER, OTHER))


def test_the_report(student: Student, sets: dict[str, list[Pair]]) -> None:
    found: dict[str, Any] = run(Bench(student, Policy()), sets, cases=16, sentences=3, seed=3)
    for name in ("framed", "readable", "valid"):
        assert (found["form"][name]["n"], found["form"][name]["rate"]) == (16, 1.0)
    assert (found["form"]["sentences"]["n"], found["form"]["sentences"]["rate"]) == (3, 1.0)
    assert found["changed"]["n"] == sum(kind["n"] for kind in found["kinds"].values()) == 16
    assert found["texts"] == len(TEXTS)
    never = run(Bench(student, Policy(match_threshold=1.0)), sets, cases=8, sentences=1, seed=3)
    assert never["changed"]["count"] == 0
    assert never["targets"]["changed"]["met"]


def test_pairs_are_those_of_the_file(sets: dict[str, list[Pair]]) -> None:
    pair = random.Random(1).choice(sets["two"])
    assert make_cases([pair], 1, seed=1)[0].untouched == sides_of(pair)
