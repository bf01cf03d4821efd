"""What an event adds to its window."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import topics
from schemas.drift import Opinion
from schemas.events import UnknownMajorVersion, dumps
from tests.worker.monitor.making import NOW, answered, judged, listed
from worker.monitor.facts import MILLION, Facts, Unreadable, facts_of, opinion_facts
from worker.monitor.vocabulary import vocabulary_of


def counted(facts: Facts | None) -> dict[str, dict[str, int]]:
    assert facts is not None
    found: dict[str, dict[str, int]] = {}
    for signal, place, amount in facts.counts:
        found.setdefault(signal, {})[place] = amount
    return found


def test_a_decision_counts_in_all_its_segments() -> None:
    facts = facts_of(topics.DECISIONS, dumps(judged(1, 0.97, source="a b", category="audio", attribute="different")))
    assert facts is not None
    assert facts.segments == ("all", "source=a b", "category=audio")
    assert facts.unique == "decision-a b-1"
    assert facts.epoch == "d" * 12
    counts = counted(facts)
    assert counts["score"] == {"3..4": 1}
    assert counts["verdict"] == {"match": 1}
    assert counts["confidence"] == {"enough": 1}
    assert counts["attribute.brand"] == {"different": 1}
    assert counts["contradiction"] == {"yes": 1}
    assert counts["sum.estimate"] == {"said.pairs": 1, "said.p": 970_000, "said.v": 29_100}
    assert "blocking_best" not in counts
    assert "blocking_best" in counted(facts_of(topics.DECISIONS, dumps(judged(3))))


def test_confidence_is_that_of_the_verdict() -> None:
    for probability, expected in ((0.75, "low"), (0.81, "enough"), (0.25, "low"), (0.19, "enough")):
        assert counted(facts_of(topics.DECISIONS, dumps(judged(1, probability))))["confidence"] == {expected: 1}


@pytest.mark.parametrize("fields", [{"replay": "trial"}, {"verdict": "retracted", "decided_by": "change"},
                                    {"decided_by": "operator"}])  # fmt: skip
def test_what_is_no_news_of_production_is_left_out(fields: dict[str, Any]) -> None:
    assert facts_of(topics.DECISIONS, dumps(judged(1, **fields))) is None


@pytest.mark.parametrize(("by", "name"), [("label", "person"), ("teacher", "teacher")])
def test_a_label_says_whether_it_agrees_and_nothing_else(by: str, name: str) -> None:
    made = judged(1, verdict="match", decided_by=by, previous_verdict="no_match")
    facts = facts_of(topics.DECISIONS, dumps(made))
    assert counted(facts) == {f"agreement.{name}": {"differ": 1}}
    assert facts_of(topics.DECISIONS, dumps(judged(1, decided_by=by))) is None


def test_candidates_count_only_where_the_settings_were_asked_for() -> None:
    assert counted(facts_of(topics.ANSWERS, dumps(answered(1, 4))))["candidates"] == {"3..5": 1}
    assert "candidates" not in counted(facts_of(topics.ANSWERS, dumps(answered(1, 4, k_effective=3))))
    assert "candidates" not in counted(facts_of(topics.ANSWERS, dumps(answered(1, outcome="superseded"))))
    without = facts_of(topics.ANSWERS, dumps(answered(1, key="no key of ours")))
    assert without is not None
    assert without.segments == ("all",)


def test_a_listing_is_measured_against_the_vocabulary() -> None:
    vocabulary = vocabulary_of([listed(1, "canon digital camera").offer])
    record = listed(2, "canon camera mega bargain x100", price="12.50", brand="canon")
    counts = counted(facts_of(topics.OFFERS, dumps(record), vocabulary))
    assert counts["unknown_words"] == {">=0.5": 1}
    assert counts["price"] == {"10..20": 1}
    assert counts["brand_in_title"] == {"yes": 1}
    assert counts["field.gtin"] == {"missing": 1}
    facts = facts_of(topics.OFFERS, dumps(record), vocabulary)
    assert facts is not None
    assert facts.epoch == vocabulary.digest
    assert "unknown_words" not in counted(facts_of(topics.OFFERS, dumps(record)))
    assert facts_of(topics.OFFERS, None) is None
    assert facts_of(topics.OFFERS, dumps(listed(1, "x").model_copy(update={"index_only": True}))) is None


def test_an_opinion_tells_by_how_much_the_probability_was_off() -> None:
    opinion = Opinion(
        opinion_id="o", decision_id="d", pair_id="a:1#b:2", source="shop", by="judge:core_identity", score=0.2,
        match=False, probability=0.75, said_match=True, inclusion_probability=0.1, given_at=NOW,
    )  # fmt: skip
    counts = counted(opinion_facts(opinion))
    assert counts["agreement.judge:core_identity"] == {"differ": 1}
    assert counts["sum.labelled"] == {"said.pairs": 1, "said.weight": 10 * MILLION, "said.off": -7_500_000}


@pytest.mark.parametrize("value", [b"", b"no json", b"[]", b'{"schema_version": "1.0"}'])
def test_what_cannot_be_read_is_said_to_be_so(value: bytes) -> None:
    with pytest.raises(Unreadable):
        facts_of(topics.DECISIONS, value)


def test_an_event_of_a_later_major_version_is_never_guessed_at() -> None:
    with pytest.raises(UnknownMajorVersion):
        facts_of(topics.DECISIONS, dumps(judged(1)).replace(b'"schema_version":"1.0"', b'"schema_version":"2.0"'))


def test_an_opinion_of_a_label_counts_attribute_verdicts_and_no_decision() -> None:
    opinion = Opinion(
        opinion_id="o", decision_id="d", pair_id="a:1#b:2", source="shop", by="judge:core_identity", score=0.75,
        about="label", claims=4, agreed=3, given_at=NOW,
    )  # fmt: skip
    counts = counted(opinion_facts(opinion))
    assert counts["people.judge:core_identity"] == {"agree": 3, "differ": 1}
    assert "agreement.judge:core_identity" not in counts
