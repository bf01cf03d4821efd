"""What is published of a judge's word: of decisions, of labels, and once it agrees with people no longer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from schemas.decision import Cuts, MatchDecision
from schemas.label import Label
from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES, Attribute, AttributeVerdict, Rationale
from tests.decisions import NOW, decision
from train.evaluation.metrics import Floats
from train.judges.claims import Claim
from train.judges.interface import JudgeName
from train.judges.opinions import agreement_event
from train.judges.watch import Tally, WatchPolicy, judge_decisions

LEFT = Offer(offer_id="1", source="a", title="sony dx-4100 camera black")
RIGHT = Offer(offer_id="1", source="b", title="sony dx-4100 camera white")
SAME = AttributeVerdict(verdict="same", probability=1, p_same=1, p_different=0, p_unknown=0)


class Picky:
    """Finds what is said of one attribute unlikely."""

    name: JudgeName = "variant_conflict"
    attributes: tuple[Attribute, ...] = ("variant", "quantity")

    def __init__(self, digest: str = "d") -> None:
        self.digest = digest

    def score(self, claims: Sequence[Claim]) -> Floats:
        return np.array([0.2 if each.attribute == "variant" else 0.9 for each in claims])


def made() -> MatchDecision:
    rationale = Rationale(attributes=dict.fromkeys(ATTRIBUTES, SAME), answer="same")
    cuts = Cuts(match=0.5, review_low=0.4, review_high=0.6)
    return decision(LEFT.key, RIGHT.key, "match").model_copy(update={"rationale": rationale, "thresholds": cuts})


def label(**attributes: str) -> Label:
    return Label.model_validate({
        "label_id": "l", "pair_id": "a:1#b:1", "first_digest": "1", "second_digest": "1", "verdict": "no_match",
        "attributes": attributes, "reviewer": "ann", "labeled_at": NOW,
    })  # fmt: skip


def test_of_a_decision_the_weakest_verdict_counts_and_the_chance_is_named() -> None:
    (found,) = judge_decisions(
        [(made(), LEFT, RIGHT, None)], [Picky()], WatchPolicy(share=0.1), {"variant_conflict": Tally()}, NOW
    ).opinions
    assert (found.by, found.about, found.score, found.inclusion_probability) == (
        "judge:variant_conflict", "decision", 0.2, 0.1,
    )  # fmt: skip
    assert (found.said_match, found.probability, found.match, found.source) == (True, 0.9, None, "a")


def test_told_again_it_is_the_same_opinion_and_another_judges_is_another() -> None:
    def named(judge: Picky, hours: int) -> str:
        items = [(made(), LEFT, RIGHT, None)]
        at = NOW + timedelta(hours=hours)
        return judge_decisions(items, [judge], WatchPolicy(), {judge.name: Tally()}, at).opinions[0].opinion_id

    assert named(Picky(), 0) == named(Picky(), 1) != named(Picky("retrained"), 0)


def test_a_label_makes_an_opinion_of_its_own_where_it_tells_of_something() -> None:
    tallies = {"variant_conflict": Tally()}
    labels = [label(variant="different", quantity="unknown"), label(brand="same")]
    items = [(made(), LEFT, RIGHT, each) for each in labels]
    (found,) = judge_decisions(items, [Picky()], WatchPolicy(), tallies, NOW).opinions
    # It doubts the variant, as the person does, and not the quantity, as the person does.
    assert (found.about, found.claims, found.agreed, found.score) == ("label", 2, 1, 0.5)
    tally = tallies["variant_conflict"]
    assert (tally.claims, tally.agreed, tally.since, tally.until) == (2, 1, NOW, NOW)


@pytest.mark.parametrize("look", [1, 2])
def test_an_alarm_names_the_judge_the_limit_and_what_was_counted(look: int) -> None:
    found = agreement_event("core_identity", "abc", "alarm", look, 40, 10, 0.75, NOW, NOW + timedelta(days=1))
    assert found.stream == "opinions/all/people.judge:core_identity"
    assert [(each.bin, each.before, each.now) for each in found.moved] == [
        ("agree", 0.75, 0.25), ("differ", 0.25, 0.75),
    ]  # fmt: skip
    assert found.observations == 40
    other = agreement_event("core_identity", "abc", "alarm", 3, 40, 10, 0.75, NOW, NOW + timedelta(days=1))
    assert other.event_id != found.event_id
