"""The audit's numbers: whom it draws, with what probability, and that its rates are those of all decisions."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decision import DecisionVerdict, MatchDecision, Side
from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES, Answer, AttributeVerdict, Rationale, Verdict
from tests.decisions import decision
from train.rationales.records import OfferRef, Provenance, RationaleRecord
from train.teacher.audit import AuditError, Case, Judged, Sample, allocate, assess, draw, eligible
from train.teacher.audit_page import as_json, as_markdown

TOLD = Provenance(teacher="t", prompt_version="1", prompt_revealed_label=False, source="x")


def offer(key: str, title: str = "Canon") -> Offer:
    source, _, identity = key.partition(":")
    return Offer(source=source, offer_id=identity, title=title)


def case(number: int, verdict: DecisionVerdict = "match", probability: float = 0.99, title: str = "Canon") -> Case:
    made = decision(f"a:{number:05}", f"b:{number:05}", verdict)
    made = made.model_copy(update={"probability": probability, "rationale": said("same", "same")})
    return Case(made, offer(made.first.key, title), offer(made.second.key, title))


def said(answer: Answer, verdict: Verdict) -> Rationale:
    sure = {"verdict": verdict, "probability": 1, "p_same": 1, "p_different": 0, "p_unknown": 0}
    return Rationale(attributes={name: AttributeVerdict.model_validate(sure) for name in ATTRIBUTES}, answer=answer)


def taught(each: Case, answer: Answer, confidence: float = 0.9, **verdicts: Verdict) -> Judged:
    record = RationaleRecord(
        pair_id=each.decision.pair_id,
        left=OfferRef.of(each.first),
        right=OfferRef.of(each.second),
        verdicts={name: verdicts[name] for name in ATTRIBUTES if name in verdicts},
        answer=answer,
        confidence=confidence,
        explanation="because",
        provenance=TOLD,
    )
    return Judged(each, record)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(0, 3_000))
def test_an_allocation_is_of_the_size_asked_for_and_sees_each_stratum(sizes: list[int], total: int) -> None:
    least = sum(min(size, 2) for size in sizes)
    if min(total, sum(sizes)) < least:
        with pytest.raises(AuditError, match=f"valid: {least} or more"):
            allocate(sizes, total)
        return
    numbers = allocate(sizes, total)
    assert sum(numbers) == min(total, sum(sizes))
    assert all(min(size, 2) <= number <= size for size, number in zip(sizes, numbers, strict=True))


def test_only_what_the_student_decided_on_texts_that_still_stand_is_audited() -> None:
    verdicts: tuple[DecisionVerdict, ...] = ("match", "no_match", "retracted")
    made = [decision(f"a:{n}", f"b:{n}", verdict) for n, verdict in enumerate(verdicts)]
    made.append(decision("a:3", "b:3", "match").model_copy(update={"decided_by": "label"}))
    made.append(decision("a:4", "b:4", "match"))
    sides: list[Side] = [side for each in made for side in (each.first, each.second)]
    offers = {side.key: (side.digest, offer(side.key)) for side in sides}
    offers["b:4"] = ("changed", offer("b:4"))
    cases, left_out = eligible(made, offers)
    assert [each.decision.pair_id for each in cases] == ["a:0#b:0", "a:1#b:1"]
    assert left_out == {
        "retracted": 1, "decided by label": 1, "its offers' texts are not at hand or have changed": 1,
    }  # fmt: skip


def test_a_draw_depends_on_seed_and_cases_alone() -> None:
    cases = [case(n, probability=0.6 + 0.39 * (n % 7) / 6) for n in range(200)]
    first = draw(cases, 40, 1)
    assert draw(cases[::-1], 40, 1) == first
    assert draw(cases, 40, 2) != first
    assert len(first.cases) == 40
    by_name = {stratum.name: stratum for stratum in first.strata}
    assert sum(stratum.size for stratum in first.strata) == 200
    assert by_name["match 0.50-0.80"].inclusion_probability > 0
    with pytest.raises(AuditError, match="no decision"):
        draw([], 10, 1)


def population() -> tuple[list[Case], set[str]]:
    """2,000 decisions; the teacher denies 3% of the sure ones and 40% of the doubtful ones."""
    random_ = random.Random(0)
    cases = [case(n, "match" if n % 3 else "no_match", 0.999 if n % 10 else 0.6) for n in range(2_000)]
    denied = {each.decision.pair_id for each in cases if random_.random() < (0.03 if each.confidence > 0.9 else 0.4)}
    return cases, denied


def judge(sample: Sample, denied: set[str]) -> list[Judged]:
    judged = []
    for each in sample.cases:
        agrees = each.decision.pair_id not in denied
        judged.append(taught(each, "same" if (each.decision.verdict == "match") == agrees else "different"))
    return judged


def test_rates_are_those_of_all_decisions_on_average_and_within_the_interval() -> None:
    cases, denied = population()
    truth = len(denied) / len(cases)
    found = [assess(sample, judge(sample, denied), {}) for sample in (draw(cases, 300, seed) for seed in range(100))]
    rates = [each.overall.rate for each in found]
    naive = [each.overall.disagree / each.overall.asked for each in found]
    # The standard error of the mean of a hundred is about 0.0013.
    assert sum(rate for rate in rates if rate is not None) / 100 == pytest.approx(truth, abs=0.005)
    assert sum(naive) / 100 > truth + 0.02  # the doubtful are drawn more often: counted plainly, it is wrong
    assert sum(each.overall.low <= truth <= each.overall.high for each in found) >= 90


def test_a_census_knows() -> None:
    cases, denied = population()
    cases = cases[:100]
    sample = draw(cases, 100, 0)
    found = assess(sample, judge(sample, denied), {})
    truth = sum(each.decision.pair_id in denied for each in cases) / 100
    assert found.overall.rate == pytest.approx(truth)
    assert found.overall.low == pytest.approx(found.overall.high)


def test_reviews_are_no_disagreement_and_failures_are_counted() -> None:
    cases = [case(0), case(1), case(2, "review", 0.5), case(3, "review", 0.5), case(4), case(5)]
    sample = draw(cases, 6, 0)
    judged = [
        taught(cases[0], "same", brand="same", product="different"), taught(cases[1], "different"),
        taught(cases[2], "same"), taught(cases[3], "different"), Judged(cases[4], None), Judged(cases[5], None),
    ]  # fmt: skip
    found = assess(sample, judged, {"retracted": 3})
    assert (found.overall.asked, found.overall.disagree, found.failed) == (2, 1, 2)
    assert found.overall.rate == pytest.approx(0.5)
    assert found.at_most == pytest.approx(0.75)
    assert found.review.rate == pytest.approx(0.5)
    assert (found.by_attribute["brand"].asked, found.by_attribute["brand"].disagree) == (1, 0)
    assert found.by_attribute["product"].rate == pytest.approx(1)
    assert found.by_attribute["quantity"].rate is None
    assert found.confusions == {"product": {"same → different": 1}}
    assert [each.case.decision.pair_id for each in found.worst] == ["a:00001#b:00001"]


def test_the_surest_disagreement_is_the_worst() -> None:
    cases = [case(0, probability=0.96), case(1, probability=0.98), case(2, probability=0.97)]
    sample = draw(cases, 3, 0)
    judged = [
        taught(cases[0], "different", 1.0),
        taught(cases[1], "different", 0.6),
        taught(cases[2], "different", 1.0),
    ]
    worst = assess(sample, judged, {}, worst=2).worst
    assert [each.case.decision.pair_id[2:7] for each in worst] == ["00002", "00000"]


def test_no_listing_writes_into_the_page() -> None:
    hostile = "# Head [x](http://e) <script>alert(1)</script> | `a` **b** \n\n## Next"
    cases = [case(0, title=hostile), case(1, title=hostile)]
    sample = draw(cases, 2, 0)
    found = assess(sample, [taught(each, "different") for each in cases], {})
    page = as_markdown(found, {"teacher": "m|x"})
    assert "<script" not in page
    assert "](http" not in page
    heads = [line for line in page.splitlines() if line.startswith("#")]
    assert [line for line in heads if line.startswith("# ")] == ["# Audit: the teacher on the student's decisions"]
    assert not any("Next" in line for line in heads)
    told = as_json(found, {})
    assert told["disagreement"]["overall"]["disagree"] == 2
    assert told["worst"][0]["titles"][0] == cases[0].first.title


def test_the_student_and_its_decision_are_not_shown_to_the_teacher() -> None:
    made: MatchDecision = case(7).decision
    question = case(7).question()
    assert {name for name, _ in question.left.fields} == {"title"}
    assert made.verdict not in str(question.left.fields)
