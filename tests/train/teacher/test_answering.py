from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.decision import Cuts, Side
from schemas.labeling import LabelingTask
from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES, Attribute
from schemas.review import ReviewTask
from tests.decisions import NOW, decision
from train.judges.claims import Claim
from train.rationales.records import OfferRef, Provenance, RationaleRecord
from train.teacher.answering import (
    Answered,
    Asked,
    Rules,
    asked_of,
    error_rate,
    label_of,
    opinion_of,
    outcome_of,
    place,
)
from train.teacher.ledger import Ledger
from train.teacher.pipeline import Failure
from train.teacher.store import Reply, Store, Usage

LEFT, RIGHT = (Offer(offer_id=str(n), source="s", title=f"sony camera w{n}") for n in (1, 2))
SIDES = {
    name: Side(key=each.key, effective_version=1, digest=each.digest())
    for name, each in (("first", LEFT), ("second", RIGHT))
}
REVIEW = ReviewTask(
    task_id="d", pair_id="s:1#s:2", decision_id="d", first=SIDES["first"], second=SIDES["second"],
    first_offer=LEFT, second_offer=RIGHT,
    reasons=["in_review_band"], created_at=NOW,
)  # fmt: skip
RULES = Rules(check_share=0.0)


def labeling(**changes: Any) -> LabelingTask:
    made = decision("s:1", "s:2", "match")
    fields: dict[str, Any] = {
        "task_id": "d", "decision_id": "d", "pair_id": "s:1#s:2", **SIDES, "first_offer": LEFT, "second_offer": RIGHT,
        "reasons": ["value"], "inclusion_probability": 0.5, "expires_at": NOW, "created_at": NOW, "verdict": "match",
        "decided_by": "student", "bundle": made.bundle, "decided_at": NOW, **changes,
    }  # fmt: skip
    return LabelingTask(**fields)


def asked(task: ReviewTask | LabelingTask = REVIEW) -> Asked:
    found = asked_of(task)
    assert found is not None
    return found


def record(**changes: Any) -> RationaleRecord:
    fields: dict[str, Any] = {
        "pair_id": "s:1#s:2", "left": OfferRef.of(LEFT), "right": OfferRef.of(RIGHT),
        "verdicts": dict.fromkeys(ATTRIBUTES, "same"), "answer": "same", "confidence": 0.9,
        "explanation": "Both say so.",
        "provenance": Provenance(teacher="t", prompt_version="1", prompt_revealed_label=False, source="here"),
        **changes,
    }  # fmt: skip
    return RationaleRecord(**fields)


class Doubter:
    """A judge that finds claims about one attribute as likely as it is told."""

    name = "core_identity"
    attributes: tuple[Attribute, ...] = ("brand", "product")
    digest = "d"

    def __init__(self, score: float) -> None:
        self._score = score

    def score(self, claims: Any) -> Any:
        return np.array([self._score if each.attribute == "product" else 1.0 for each in claims])


def test_both_kinds_of_task_are_asked_about_alike() -> None:
    review, label = asked(), asked(labeling())
    assert review.contents == label.contents
    assert (review.seen, label.seen, label.uniform) == ("review", "match", False)
    assert asked(labeling(reasons=["uniform"])).uniform
    for gone in ({"withdrawn": "offer_changed", "first_offer": None}, {"stale": True}, {"withdrawn": "labelled"}):
        assert asked_of(labeling(**gone)) is None


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (record(), "answered"),
        (record(answer="different", verdicts={"product": "different"}), "answered"),
        (record(answer=None), "unsure"),
        (record(confidence=0.79), "unsure"),
        (record(confidence=None), "unsure"),
        (record(verdicts={"variant": "different"}), "unsure"),
        (Failure(pair_id="p", step="compare", reason="no JSON", teacher="t"), "failed"),
    ],
)
def test_people_get_what_the_teacher_is_unsure_of(found: RationaleRecord | Failure, outcome: str) -> None:
    assert outcome_of(asked(), found, RULES)[0] == outcome


def test_people_get_what_a_judge_doubts() -> None:
    assert outcome_of(asked(), record(), RULES, [Doubter(0.6)])[0] == "answered"  # type: ignore[list-item]
    outcome, why = outcome_of(asked(), record(), RULES, [Doubter(0.4)])  # type: ignore[list-item]
    assert (outcome, why) == ("judges", "core_identity gives product same only 0.40")
    # It is asked only about what the teacher has claimed.
    silent = record(verdicts={"brand": "same"})
    assert outcome_of(asked(), silent, RULES, [Doubter(0.4)])[0] == "answered"  # type: ignore[list-item]
    assert Claim(LEFT, RIGHT, "brand", "same").quote_left == ""


def test_a_uniform_share_is_kept_back_and_what_is_drawn_for_estimates_is_answered_too() -> None:
    places = [place((f"{number}", "a", "b")) for number in range(4_000)]
    assert sum(each < 0.1 for each in places) == pytest.approx(400, abs=60)
    assert outcome_of(asked(), record(), Rules(check_share=1.0))[0] == "checked"
    uniform = asked(labeling(reasons=["uniform", "value"]))
    assert outcome_of(uniform, record(), Rules(check_share=1.0))[0] == "answered_checked"


def test_an_answer_is_a_label_that_says_whose_it_is_and_why() -> None:
    label = label_of(asked(), record(), "gpt", NOW)
    assert (label.by, label.verdict, label.reviewer, label.sentence) == ("teacher", "match", "gpt", "Both say so.")
    assert label.digests == (LEFT.digest(), RIGHT.digest())
    assert (label.attributes["brand"], label.seen_verdict) == ("same", "review")
    assert label_of(asked(labeling()), record(), "gpt", NOW).label_id == label.label_id
    assert label_of(asked(), record(), "other", NOW).label_id != label.label_id


def test_the_error_rate_speaks_of_all_answers_not_only_of_the_checked() -> None:
    said = [Answered((f"{n}", "a", "b"), "answered", "match") for n in range(80)]
    said += [Answered((f"m{n}", "a", "b"), "checked", "match") for n in range(20)]
    said += [Answered((f"n{n}", "a", "b"), "checked", "no_match") for n in range(10)]
    said += [Answered((f"u{n}", "a", "b"), "answered_checked", "match") for n in range(10)]
    people: dict[tuple[str, str, str], str] = {each.contents: each.verdict for each in said}
    # Two of 20 matches were wrong, so ten of 100; nothing else was.
    people |= {("m0", "a", "b"): "no_match", ("m1", "a", "b"): "no_match"}
    # A person who happened to see a published answer is no random check.
    people |= {("1", "a", "b"): "no_match"}
    rates, checked, wrong = error_rate(said, people)
    assert (checked, wrong) == (40, 2)
    assert float(rates.rate) == pytest.approx(10 / 120)
    assert float(rates.low) < 10 / 120 < float(rates.high)


def test_the_ledger_keeps_the_first_word(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    with Ledger(path) as ledger:
        assert ledger.note(asked(), "checked", "drawn", "match", 0.9, "gpt") == "checked"
    with Ledger(path) as ledger:
        assert ledger.note(asked(labeling()), "answered", "", "no_match", 0.9, "gpt") == "checked"
        assert ledger.answered() == [Answered(asked().contents, "checked", "match")]
        assert ledger.outcomes() == {"checked": 1}


def test_a_days_bill_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        line = store.sending("k", "extract", Decimal("0.5"))
        reply = Reply("k", "{}", "stop", "m", "plain", Usage(1, 1), Decimal("0.2"))
        store.put(line, reply, "extract", "m", "1", {}, "here")
        store.sending("l", "extract", Decimal("0.3"))
    with Store(path) as store:
        now = datetime.now(UTC)
        assert store.spent_since(now - timedelta(minutes=5)) == Decimal("0.5")
        assert store.spent_since(now + timedelta(minutes=5)) == 0


@pytest.mark.parametrize(
    ("verdict", "probability", "match", "said", "score"),
    [("match", 0.9, True, True, 1), ("match", 0.9, False, True, 0), ("review", 0.55, False, True, 0),
     ("no_match", None, False, False, 1)],
)  # fmt: skip
def test_an_opinion_is_of_the_uniform_sample_and_names_the_chance(
    verdict: str, probability: float | None, match: bool, said: bool, score: float
) -> None:
    changes: dict[str, Any] = {
        "reasons": ["uniform", "uncertainty"], "rates": {"uniform": 0.02, "uncertainty": 0.5}, "verdict": verdict,
        "probability": probability, "thresholds": Cuts(match=0.5, review_low=0.4, review_high=0.6), "query_key": "s:2",
    }  # fmt: skip
    drawn = asked(labeling(**changes)).drawn
    assert drawn is not None
    found = opinion_of(drawn, match, "model", NOW)
    assert (found.said_match, found.match, found.score, found.source) == (said, match, score, "s")
    assert found.inclusion_probability == 0.02
    # Told again later it is the same; another model's is another.
    assert opinion_of(drawn, match, "model", NOW + timedelta(hours=1)).opinion_id == found.opinion_id
    assert opinion_of(drawn, match, "other", NOW).opinion_id != found.opinion_id
    assert asked(labeling(reasons=["uncertainty"])).drawn is None
