"""The watch over judges: who agrees with people, when an alarm is due, and what a person is sent."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pytest

from schemas.decision import MatchDecision
from schemas.label import Label
from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES, AttributeVerdict, Rationale, Verdict
from tests.decisions import NOW, decision
from tests.train.judges.made import Indifferent
from train.judges.watch import FIRST_LOOK, Tally, WatchPolicy, judge_decisions, look, right_by_label, watched

LEFT = Offer(offer_id="1", source="a", title="sony dx-4100 camera black")
RIGHT = Offer(offer_id="1", source="b", title="sony dx-4100 camera white")
POLICY = WatchPolicy(share=1.0)


def decided(verdict: Literal["match", "no_match", "review"], verdicts: str = "sssss") -> MatchDecision:
    names = {name[0]: name for name in get_args(Verdict)}
    items = {
        name: AttributeVerdict(verdict=names[letter], probability=1, p_same=1, p_different=0, p_unknown=0)
        for name, letter in zip(ATTRIBUTES, verdicts, strict=True)
    }
    rationale = Rationale(attributes=items, answer="same" if verdict == "match" else "different")
    return decision(LEFT.key, RIGHT.key, verdict).model_copy(update={"rationale": rationale})


def label(verdict: Literal["match", "no_match"], **attributes: Literal["same", "different", "unknown"]) -> Label:
    return Label(
        label_id="l", pair_id="a:1#b:1", first_digest="1", second_digest="1", verdict=verdict, attributes=attributes,
        reviewer="ann", labeled_at=NOW,
    )  # fmt: skip


def test_a_label_tells_of_claims() -> None:
    assert right_by_label(label("match"), "brand", "different") is False
    assert right_by_label(label("match"), "brand", "same") is None
    assert right_by_label(label("no_match"), "brand", "different") is None
    corrected = label("no_match", variant="different")
    assert right_by_label(corrected, "variant", "different") is True
    assert right_by_label(corrected, "variant", "same") is False


def test_agreement_is_counted_and_a_labelled_pair_goes_to_nobody() -> None:
    tallies = {"variant_conflict": Tally()}
    judge = Indifferent("variant_conflict", 0.95)
    items = [(decided("match"), LEFT, RIGHT, label("no_match", variant="different", quantity="same"))]
    found = judge_decisions(items, [judge], POLICY, tallies, NOW)
    # It accepts both claims; the person says that one of them is wrong.
    assert (tallies["variant_conflict"].claims, tallies["variant_conflict"].agreed) == (2, 1)
    assert found.tasks == []


def test_conflict_and_sure_rejection_send_an_automatic_pair_to_people() -> None:
    core, model = Indifferent("core_identity", 0.97), Indifferent("model_identifier", 0.02)
    tallies = {"core_identity": Tally(), "model_identifier": Tally()}
    tasks = judge_decisions([(decided("match"), LEFT, RIGHT, None)], [core, model], POLICY, tallies, NOW).tasks
    assert [task.reasons for task in tasks] == [
        ["judges_conflict:product", "judge_rejects:model_identifier:specification"]
    ]
    assert (tasks[0].task_id, tasks[0].first_offer.title) == (decided("match").decision_id, LEFT.title)
    for made in (decided("review"), decided("no_match", "ssuss")):
        # Nothing automatic, or nothing that the verdict rests on is rejected; the conflict alone is of the first kind.
        reasons = [t.reasons for t in judge_decisions([(made, LEFT, RIGHT, None)], [model], POLICY, tallies, NOW).tasks]
        assert reasons == []
    doubtful = Indifferent("model_identifier", 0.3)
    assert judge_decisions([(decided("match"), LEFT, RIGHT, None)], [core, doubtful], POLICY, tallies, NOW).tasks == []


def test_looks_are_taken_when_the_counts_have_doubled() -> None:
    tally = Tally(claims=FIRST_LOOK - 1, agreed=0)
    assert look(tally, 0.75) is None
    tally.claims += 1
    assert look(tally, 0.75) is True
    assert look(tally, 0.75) is None  # the same counts are not looked at twice
    tally.claims = 4 * FIRST_LOOK
    tally.agreed = 3 * FIRST_LOOK
    assert look(tally, 0.75) is False


def test_watchers_of_good_judges_raise_few_alarms_and_of_bad_ones_soon() -> None:
    rng = np.random.default_rng(4)

    def alarmed(truth: float) -> bool:
        agreed = rng.random(1_280) < truth
        tally = Tally()
        for each in agreed:
            tally.claims += 1
            tally.agreed += bool(each)
            if look(tally, 0.75):
                return True
        return False

    assert np.mean([alarmed(0.75) for _ in range(200)]) <= 0.08
    assert np.mean([alarmed(0.6) for _ in range(40)]) >= 0.95


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_share_is_of_the_students_own_decisions_and_always_the_same(share: float) -> None:
    made = [decided("match").model_copy(update={"decision_id": f"d{number}"}) for number in range(2_000)]
    chosen = [each for each in made if watched(each, share)]
    assert len(chosen) / len(made) == pytest.approx(share, abs=0.04)
    assert [each for each in made if watched(each, share)] == chosen
    assert not watched(chosen[0].model_copy(update={"decided_by": "label"}), share)
    assert not watched(chosen[0].model_copy(update={"rationale": None}), share)
