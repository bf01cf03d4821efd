from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.label import Label
from schemas.offer import Offer, pair_id
from train.retraining.labelled import Placed, check_teacher, collect, is_held, standing

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def offer(number: int, side: str) -> Offer:
    return Offer(offer_id=str(number), source=side, title=f"canon eos {number}")


def label(
    number: int, verdict: Literal["match", "no_match"] = "match", by: Literal["person", "teacher"] = "person",
    at: datetime = NOON, **values: Any,
) -> Label:  # fmt: skip
    left, right = offer(number, "a"), offer(number, "b")
    given: dict[str, Any] = {"first_digest": left.digest(), "second_digest": right.digest(), **values}
    return Label(
        label_id=f"{number}-{by}-{at}", pair_id=pair_id(left.key, right.key), verdict=verdict, by=by, reviewer="ann",
        labeled_at=at, **given,
    )  # fmt: skip


CONTENTS = {each.digest(): each for number in range(400) for each in (offer(number, "a"), offer(number, "b"))}


def placed(*labels: Label) -> list[Placed]:
    return [(each, offset) for offset, each in enumerate(labels)]


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_what_is_held_out_stays_so_when_more_is(pair: str, share: float, more: float) -> None:
    low, high = sorted((share, more))
    assert not is_held(pair, low) or is_held(pair, high)


def test_about_the_share_is_held_out_and_nothing_is_on_both_sides() -> None:
    made = collect(placed(*(label(number) for number in range(400))), CONTENTS, held_share=0.25)
    held, trained = ({row["pair_id"] for row in rows} for rows in (made.held, made.train))
    assert not held & trained
    assert len(held) + len(trained) == 400
    assert 70 <= len(held) <= 130


def test_the_later_label_of_the_same_contents_counts() -> None:
    made = collect(placed(label(1), label(1, "no_match", at=NOON + timedelta(hours=1))), CONTENTS, held_share=0)
    assert [row["label"] for row in made.train] == [0]


def test_labels_of_other_contents_of_the_pair_both_count() -> None:
    other = Offer(offer_id="1", source="a", title="canon eos 1, pack of 2")
    changed = label(1, "no_match", first_digest=other.digest())
    made = collect(placed(label(1), changed), {**CONTENTS, other.digest(): other}, held_share=0)
    assert sorted(row["label"] for row in made.train) == [0, 1]
    assert len(standing(placed(label(1), changed))) == 2


def test_labels_from_before_are_not_trained_on_again_but_stay_held_out() -> None:
    early = [label(number, at=NOON - timedelta(days=9)) for number in range(40)]
    made = collect(placed(*early), CONTENTS, since=NOON)
    assert not made.train
    assert len(made.held) == made.counts["held out"] > 0
    assert made.counts["before"] == 40 - len(made.held)


def test_contents_that_are_gone_are_counted() -> None:
    made = collect(placed(label(1)), {}, held_share=0)
    assert made.counts == {"no contents": 1}


@pytest.mark.parametrize(("wrong", "admitted"), [(0, True), (2, True), (12, False)])
def test_the_teacher_speaks_only_while_people_agree_with_it(wrong: int, admitted: bool) -> None:
    checked = 150
    labels = [label(number, by="teacher") for number in range(200)]
    labels += [label(number, "no_match" if number < wrong else "match") for number in range(checked)]
    made = collect(placed(*labels), CONTENTS, held_share=0)
    assert (made.teacher.checked, made.teacher.wrong, made.teacher.admitted) == (checked, wrong, admitted)
    assert made.counts["trained on, teacher"] == (50 if admitted else 0)
    # A person's label of the same contents stands over the teacher's.
    assert made.counts["trained on, person"] == checked


def test_a_teacher_that_nobody_checked_is_not_admitted() -> None:
    assert check_teacher(placed(label(1, by="teacher"))).upper == 1.0


def test_nothing_is_measured_on_the_teachers_labels() -> None:
    labels = [label(number, by="teacher") for number in range(200)] + [label(number) for number in range(100)]
    made = collect(placed(*labels), CONTENTS, max_teacher_error=1.0)
    assert all(row["meta"]["by"] == "person" for row in made.held)
    assert made.counts["teacher, not for measuring"] > 0
