"""What a label does, on a real index, with a judge whose verdicts are known; the protocol's races one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from schemas.deadletter import read_dead_letter
from schemas.decision import MatchDecision, supersedes
from schemas.label import Label
from schemas.offer import Offer
from schemas.topics import LABELS
from tests.labels import label, label_record
from tests.worker.stream.conftest import NOW, RuleJudge, offer
from tests.worker.stream.test_judging import Bench, verdicts
from worker.blocking import Index
from worker.stream.bench import seated
from worker.stream.labels import IncomingLabel, LabelWork, held_label, read_label, settle, work_on
from worker.stream.outputs import Outputs
from worker.stream.records import Record

OUTPUTS = Outputs("")
Verdict = Literal["match", "no_match"]


class Desk(Bench):
    """A bench with labels: `say` does what the loop does with one label, commit included."""

    offset = 0

    def incoming(self, said: Label) -> IncomingLabel:
        self.offset += 1
        return read_label(Record(LABELS, 0, self.offset, *label_record(said)))

    def work(self, *labels: IncomingLabel) -> LabelWork:
        return work_on(labels, self.index, self.basis, OUTPUTS, lambda: NOW)

    def say(self, said: Label) -> LabelWork:
        work = self.work(self.incoming(said))
        settle(work, self.index)
        return work


@pytest.fixture
def desk(index: Index, judge: RuleJudge) -> Desk:
    return Desk(index, judge)


def decided(work: LabelWork) -> MatchDecision:
    (done,) = work.done
    assert (done.outcome, done.decision is not None) == ("bound", True)
    assert done.decision is not None
    return done.decision


ONE, TWO, OTHER = offer(1), offer(2), offer(2, "sony camera w130")


def test_a_label_overrules_the_student_and_names_what_it_corrects(desk: Desk) -> None:
    desk.change(ONE, 1)
    (before,) = desk.change(TWO, 2).decisions
    made = decided(desk.say(label(ONE, TWO, "no_match")))
    assert (made.verdict, made.decided_by, made.label_id) == ("no_match", "label", "l1")
    assert (made.first.effective_version, made.second.effective_version) == (1, 2)
    assert made.corrects == made.previous_decision_id == before.decision_id
    assert (made.source.topic, made.source.offset, made.probability) == (LABELS, 1, None)
    assert supersedes(made, before)
    # The match is no longer a live link.
    assert desk.index.links("s:1") == {}


def test_a_label_of_a_pair_that_the_index_does_not_know_of(desk: Desk) -> None:
    desk.change(ONE, 1)
    (before,) = desk.change(OTHER, 2).decisions
    said = label(ONE, OTHER, "match", decision_id=before.decision_id, seen_verdict="no_match")
    made = decided(desk.say(said))
    assert (made.verdict, made.corrects, made.previous_verdict) == ("match", before.decision_id, "no_match")
    standing = desk.index.links("s:2")["s:1"].standing
    assert standing is not None
    assert standing.decision_id == made.decision_id


def test_an_answer_to_a_doubt_corrects_nobody(desk: Desk) -> None:
    desk.change(ONE, 1)
    (before,) = desk.change(offer(2, "sony camera perhaps"), 2).decisions
    said = label(ONE, offer(2, "sony camera perhaps"), "match", decision_id=before.decision_id, seen_verdict="review")
    made = decided(desk.say(said))
    assert (made.corrects, made.previous_verdict) == (None, "review")


@pytest.mark.parametrize("verdict", ["match", "no_match"])
def test_it_binds_while_both_contents_stand_whatever_bundle_and_policy(
    desk: Desk, judge: RuleJudge, verdict: Verdict
) -> None:
    desk.change(ONE, 1)
    second = TWO if verdict == "no_match" else OTHER
    desk.change(second, 2)
    desk.say(label(ONE, second, verdict))
    judge.asked.clear()
    basis = replace(desk.basis, bundle=desk.basis.bundle.model_copy(update={"version": "9.0.0", "digest": "9"}))
    desk.judging.seats = seated(judge, basis)
    again = desk.change(second, 3)
    assert judge.asked == []
    if verdict == "match":
        # It stands with the link, and is only named.
        assert (len(again.standing_ids), again.decisions) == (1, [])
        return
    (stated,) = again.decisions
    assert (stated.verdict, stated.decided_by, stated.label_id) == ("no_match", "label", "l1")
    assert (stated.second.effective_version, stated.source.topic) == (3, LABELS)


def test_another_content_is_the_students_again_and_the_old_one_the_labels(desk: Desk) -> None:
    desk.change(ONE, 1)
    desk.change(TWO, 2)
    desk.say(label(ONE, TWO, "no_match"))
    (moved,) = desk.change(TWO.model_copy(update={"price": "5.00"}), 3).decisions
    assert (moved.verdict, moved.decided_by) == ("match", "student")
    (back,) = desk.change(TWO, 4).decisions
    assert (back.verdict, back.decided_by, back.second.effective_version) == ("no_match", "label", 4)


@pytest.mark.parametrize("change", ["content", "deleted", "unknown"])
def test_a_stale_label_is_kept_for_the_day_its_contents_come(desk: Desk, change: str) -> None:
    desk.change(ONE, 1)
    if change == "content":
        desk.change(OTHER, 2)
    if change == "deleted":
        desk.change(TWO, 2)
        desk.delete("s:2", 3)
    work = desk.say(label(ONE, TWO, "no_match"))
    (done,) = work.done
    assert (done.outcome, work.outgoing) == ("stale", [])
    assert done.reason in ("changed since: s:2", "not in the catalogue: s:2")
    assert desk.index.links("s:1") == {}
    (made,) = desk.change(TWO, 9).decisions
    assert (made.verdict, made.decided_by) == ("no_match", "label")


def test_each_contents_has_its_own_label(desk: Desk) -> None:
    desk.change(ONE, 1)
    desk.change(TWO, 2)
    other = TWO.model_copy(update={"price": "5.00"})
    decided(desk.say(label(ONE, TWO, "no_match", "l1")))
    desk.change(other, 3)
    decided(desk.say(label(ONE, other, "match", "l2")))
    (back,) = desk.change(TWO, 4).decisions
    assert (back.verdict, back.label_id) == ("no_match", "l1")
    # A person has spoken about these contents, if long ago.
    (done,) = desk.say(label(ONE, TWO, "match", "t", by="teacher")).done
    assert done.outcome == "outranked"


def test_a_later_label_replaces_and_a_redelivered_one_does_not_come_back(desk: Desk) -> None:
    desk.change(ONE, 1)
    desk.change(TWO, 2)
    first, second = (desk.incoming(label(ONE, TWO, *each)) for each in (("no_match", "l1"), ("match", "l2")))
    made = []
    for incoming in (first, second):
        work = desk.work(incoming)
        settle(work, desk.index)
        made.append(decided(work))
    assert supersedes(made[1], made[0])
    assert made[1].corrects is None
    (done,) = desk.work(first).done
    assert done.outcome == "outranked"
    # The same one again, as after a commit that failed, says the same under the same id.
    assert decided(desk.work(second)).decision_id == made[1].decision_id


def test_a_person_binds_over_the_teacher_about_the_same_contents(desk: Desk) -> None:
    desk.change(ONE, 1)
    desk.change(TWO, 2)
    teacher = decided(desk.say(label(ONE, TWO, "no_match", "t1", by="teacher")))
    person = decided(desk.say(label(ONE, TWO, "match", "p1")))
    assert (teacher.decided_by, person.decided_by) == ("teacher", "label")
    assert supersedes(person, teacher)
    (done,) = desk.say(label(ONE, TWO, "no_match", "t2", by="teacher")).done
    assert done.outcome == "outranked"
    # About other contents the person has said nothing.
    changed = TWO.model_copy(update={"price": "5.00"})
    desk.change(changed, 3)
    assert decided(desk.say(label(ONE, changed, "no_match", "t3", by="teacher"))).decided_by == "teacher"


def test_a_label_that_comes_while_its_pair_is_judged_stands(desk: Desk, judge: RuleJudge) -> None:
    desk.change(ONE, 1)
    came: list[MatchDecision] = []

    def during(query: Offer, candidates: object) -> None:
        came.append(decided(desk.say(label(ONE, TWO, "no_match"))))

    judge.during = during
    (students,) = desk.change(TWO, 2).decisions
    assert students.decided_by == "student"
    assert (came[0].first, came[0].second) == (students.first, students.second)
    assert supersedes(came[0], students)
    # The student's match was settled last and left a live link, which nobody names while the label binds.
    (again,) = desk.change(TWO, 3).decisions
    assert (again.verdict, again.decided_by) == ("no_match", "label")


def test_a_label_that_was_not_settled_still_binds(desk: Desk, judge: RuleJudge) -> None:
    desk.change(ONE, 1)
    desk.change(TWO, 2)
    desk.work(desk.incoming(label(ONE, TWO, "no_match")))
    judge.asked.clear()
    assert verdicts(desk.change(TWO, 3)) == {"s:1#s:2": "no_match"}
    assert judge.asked == []


def test_bytes_that_are_no_label_go_to_the_dead_letters_as_they_came(desk: Desk) -> None:
    bad = Record(LABELS, 1, 7, b"s:1#s:2", b"{oops", [("h", b"v")], 5)
    work = desk.work(read_label(bad), desk.incoming(label(ONE, TWO, "match")))
    assert [done.outcome for done in work.done] == ["refused", "stale"]
    (letter,) = work.outgoing
    assert (letter.key, letter.value) == (bad.key, bad.value)
    assert (read_dead_letter(letter.headers).reason, read_dead_letter(letter.headers).source.topic) == (
        "not_json", LABELS,
    )  # fmt: skip


def test_the_index_keeps_the_label_that_counts_in_any_order(index: Index) -> None:
    said = [label(ONE, TWO, "match", "p", by="person"), label(ONE, TWO, "no_match", "t", by="teacher")]
    held = [held_label(each, Record(LABELS, 0, 5 + place, None, None)) for place, each in enumerate(said)]
    for order in (held, held[::-1], [*held, *held]):
        for each in order:
            index.put_labels([("s:1", "s:2", each)])
        assert index.labels("s:1")["s:2"] == index.labels("s:2")["s:1"] == [held[0]]
