from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.decision import DELETED_DIGEST, MatchDecision
from schemas.label import Label, LabeledBy
from schemas.labeling import LabelingTask
from schemas.labeling_settings import LabelingSettings
from schemas.offer import Offer
from schemas.topics import LABELS
from tests.decisions import NOW, decision
from tests.labels import label
from worker.blocking.records import HeldLabel, StoredOffer
from worker.labeling.chances import Draw
from worker.labeling.reading import Draws, answers_of, drawn_of
from worker.labeling.tasks import Queue, contents, looked_at_again, task_of
from worker.stream.labels import held_label
from worker.stream.records import Record

SETTINGS = LabelingSettings()
ONE, TWO = (Offer(offer_id=str(number), source="s", title=f"camera {number}") for number in (1, 2))


def stored(offer: Offer, version: int = 1) -> StoredOffer:
    return StoredOffer(offer.key, version, None, offer.digest(), False, offer.model_dump_json().encode())


def gone(offer: Offer) -> StoredOffer:
    return StoredOffer(offer.key, 2, None, DELETED_DIGEST, True, b"")


HERE: dict[str, StoredOffer | None] = {ONE.key: stored(ONE), TWO.key: stored(TWO)}
MOVED = {**HERE, TWO.key: stored(TWO.model_copy(update={"price": "5"}), 2)}


def made(verdict: Any = "match", name: str = "d") -> MatchDecision:
    plain = decision("s:1", "s:2", verdict)
    sides = {
        side: getattr(plain, side).model_copy(update={"digest": offer.digest()})
        for side, offer in (("first", ONE), ("second", TWO))
    }
    return plain.model_copy(update={"decision_id": name, **sides})


def task(
    *reasons: str, index: dict[str, StoredOffer | None] = HERE, held: tuple[HeldLabel, ...] = (), name: str = "d",
    verdict: Any = "match",
) -> LabelingTask:  # fmt: skip
    rates: Any = {"uniform": 0.02, "value": 0.5}
    drawn = Draw(rates, reasons, 0.5)  # type: ignore[arg-type]
    judged = made(verdict, name)
    return task_of(judged, drawn, contents(judged, index), held, index, SETTINGS, NOW)


def held(verdict: str = "match", **fields: Any) -> HeldLabel:
    return held_label(label(ONE, TWO, verdict, **fields), Record(LABELS, 0, 1, None, None))


def test_a_task_shows_what_was_judged_and_says_how_likely_it_was() -> None:
    made_ = task("uniform", "value")
    assert (made_.first_offer, made_.second_offer, made_.withdrawn) == (ONE, TWO, None)
    assert (made_.inclusion_probability, made_.rates["uniform"], made_.task_id) == (0.5, 0.02, "d")
    assert made_.expires_at == NOW + timedelta(days=SETTINGS.expires_days)
    assert made_.priority > task("value").priority


@pytest.mark.parametrize(
    ("index", "why"),
    [
        (MOVED, "offer_changed"), ({**HERE, TWO.key: gone(TWO)}, "offer_deleted"),
        ({**HERE, TWO.key: None}, "offer_deleted"),
    ],
)  # fmt: skip
def test_what_can_no_longer_be_shown_is_drawn_all_the_same(index: dict[str, StoredOffer | None], why: str) -> None:
    assert task("uniform", index=index).withdrawn == why


def test_what_a_person_has_said_already_is_not_asked_again() -> None:
    assert task("uniform", held=(held(),)).withdrawn == "labelled"
    assert task("uniform", held=(held(by="teacher"),)).withdrawn is None
    assert looked_at_again(task("value"), HERE, [held()], NOW).withdrawn == "labelled"  # type: ignore[union-attr]


@pytest.mark.parametrize("index", [MOVED, {**HERE, ONE.key: gone(ONE)}])
def test_an_update_withdraws_a_targeted_task_and_marks_a_uniform_one(index: dict[str, StoredOffer | None]) -> None:
    after = looked_at_again(task("value"), index, (), NOW)
    assert after is not None
    assert (after.withdrawn in ("offer_changed", "offer_deleted"), after.first_offer) == (True, None)
    kept = looked_at_again(task("uniform"), index, (), NOW)
    assert kept is not None
    assert (kept.stale, kept.withdrawn, kept.first_offer) == (True, None, ONE)
    assert looked_at_again(kept, index, (), NOW) is None


def test_one_that_stands_is_left_alone_until_its_time_is_over() -> None:
    waiting = task("uniform")
    assert looked_at_again(waiting, HERE, (), NOW) is None
    late = looked_at_again(waiting, HERE, (), waiting.expires_at)
    assert late is not None
    assert late.withdrawn == "expired"


def test_of_one_pair_the_last_task_counts() -> None:
    queue = Queue()
    old, new = task("value", name="old"), task("value", name="new")
    for each in (old, new):
        queue.apply(each)
    queue.apply(looked_at_again(old, MOVED, (), NOW))  # type: ignore[arg-type]
    assert queue.open == {"s:1#s:2": new}
    queue.apply(looked_at_again(new, MOVED, (), NOW))  # type: ignore[arg-type]
    assert queue.open == {}
    queue.apply(new)
    queue.keep(lambda pair: pair != "s:1#s:2")
    assert queue.open == {}


def answers(*labels: Label) -> Any:
    return answers_of(enumerate(labels), ("person", "teacher"))


def test_one_answer_is_an_answer_to_every_draw_of_the_same_contents() -> None:
    draws = Draws()
    for each in (task("uniform", name="a"), task("value", name="b"), task("value", name="b"), task("value", name="c")):
        draws.add(each)
    draws.add(looked_at_again(task("value", name="c"), MOVED, (), NOW))  # type: ignore[arg-type]
    begin, end = NOW - timedelta(1), NOW + timedelta(1)
    found = drawn_of(draws, answers(label(ONE, TWO, "no_match")), begin, end)
    assert [(each.predicted, each.truth, each.uniform) for each in found] == [
        (True, False, True), (True, False, False), (True, False, False),
    ]  # fmt: skip
    other = label(ONE, TWO.model_copy(update={"price": "5"}), "match")
    assert {each.truth for each in drawn_of(draws, answers(other), begin, end)} == {None}
    assert drawn_of(draws, {}, end, end + timedelta(1)) == []


def test_the_last_word_of_a_person_counts() -> None:
    first, second = label(ONE, TWO, "match", "l1"), label(ONE, TWO, "no_match", "l2")
    teacher = label(ONE, TWO, "match", "t", by="teacher")
    assert [each.label_id for each in answers(first, second, teacher).values()] == ["l2"]
    people: tuple[LabeledBy, ...] = ("person",)
    assert answers_of([(0, teacher)], people) == {}


def test_the_queue_holds_what_waits_most_urgent_first() -> None:
    draws = Draws()
    draws.add(task("value", name="a"))
    draws.add(task("uniform", name="b"))
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert [each.task_id for each in draws.open((), now)] == ["b"]
    assert draws.open(answers(label(ONE, TWO, "match")), now) == []
    assert draws.open((), now + timedelta(days=30)) == []
