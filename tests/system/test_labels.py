"""Labels on a real broker and a real Redis: they bind, go stale, correct, are refused, and survive an emptied Redis."""

from __future__ import annotations

import pytest

from schemas import topics
from schemas.deadletter import read_dead_letter
from schemas.decision import MatchDecision, standing
from schemas.label import Label
from tests.labels import label, label_record
from tests.system.cluster import Cluster
from tests.worker.stream.conftest import RuleJudge, judge, offer
from tests.worker.stream.test_worker import Start, answered, cluster, start
from worker.stream.metrics import LABELS, RESTORED

__all__ = ["cluster", "judge", "start"]
pytestmark = pytest.mark.system

ONE, TWO, THREE = offer(1), offer(2), offer(3, "sony camera w130")
PAIR = "s:1#s:2"


def say(cluster: Cluster, *labels: Label) -> None:
    cluster.produce((label_record(each) for each in labels), topic=topics.LABELS)


def decided(cluster: Cluster, *labels: str) -> dict[str, MatchDecision]:
    """Wait until each of these labels has made a decision; what stands then."""
    cluster.wait(lambda: {*labels} <= {made.label_id for made in cluster.decisions()}, f"decisions of {labels}")
    return standing(cluster.decisions())


def test_what_people_say_stands(cluster: Cluster, start: Start, judge: RuleJudge) -> None:
    running = start()
    cluster.upsert(ONE, TWO, THREE)
    answered(cluster, 3)
    assert standing(cluster.decisions())[PAIR].verdict == "match"
    say(cluster, label(ONE, TWO, "no_match", "l1"), label(ONE, THREE, "match", "l2"))
    stands = decided(cluster, "l1", "l2")
    assert {pair: (made.verdict, made.decided_by) for pair, made in stands.items()} == {
        PAIR: ("no_match", "label"), "s:1#s:3": ("match", "label"), "s:2#s:3": ("no_match", "student"),
    }  # fmt: skip
    assert stands[PAIR].corrects is not None

    # One that cannot be used is set aside byte for byte; one that comes too late is counted; neither is answered.
    cluster.produce([(b"s:1#s:2", b'{"verdict": "match"}')], topic=topics.LABELS)
    say(cluster, label(TWO.model_copy(update={"title": "as it was"}), THREE, "match", "l3"))
    cluster.wait(lambda: len(cluster.read(topics.DEAD_LETTERS)) == 1, "a dead letter")
    (letter,) = cluster.read(topics.DEAD_LETTERS)
    assert letter.value == b'{"verdict": "match"}'
    assert read_dead_letter(letter.headers).source.topic == cluster.topic(topics.LABELS)
    cluster.wait(lambda: running.metrics.value(LABELS, outcome="stale", by="person") == 1, "a stale label")
    assert len(cluster.answers()) == 3

    # A correction, and the same offers once more under newer versions: what was said goes on to stand.
    say(cluster, label(ONE, TWO, "match", "l4"))
    assert decided(cluster, "l4")[PAIR].verdict == "match"
    say(cluster, label(ONE, TWO, "no_match", "l5"))
    decided(cluster, "l5")
    judge.asked.clear()
    cluster.upsert(ONE)
    answered(cluster, 4)
    made = standing(cluster.decisions())[PAIR]
    assert (made.verdict, made.label_id, made.first.effective_version > 0) == ("no_match", "l5", True)
    assert not {("s:1", "s:2"), ("s:1", "s:3")} & {*judge.asked}

    # Redis forgets everything: the labels come back, the no_match as well.
    with cluster.redis() as client:
        client.flushdb()
    cluster.upsert(TWO)
    assert "s:2" in answered(cluster, 5)
    made = standing(cluster.decisions())[PAIR]
    assert (made.verdict, made.decided_by, made.label_id) == ("no_match", "label", "l5")
    assert running.metrics.value(RESTORED, kind="label") == 5

    # Another content is for the student again.
    cluster.upsert(TWO.model_copy(update={"price": "9.00"}))
    answered(cluster, 6)
    made = standing(cluster.decisions())[PAIR]
    assert (made.verdict, made.decided_by) == ("match", "student")


def test_two_workers_share_labels_and_a_restarted_one_repeats_none(cluster: Cluster, start: Start) -> None:
    first = start("0")
    offers = [offer(number, f"sony camera w{number}") for number in range(8)]
    cluster.upsert(*offers)
    answered(cluster, 8)
    pairs = [(offers[n], offers[n + 1]) for n in range(7)]
    say(cluster, *(label(*pair, "match", f"a{number}") for number, pair in enumerate(pairs[:4])))
    decided(cluster, *(f"a{number}" for number in range(4)))
    first.stop()
    say(cluster, *(label(*pair, "match", f"b{number}") for number, pair in enumerate(pairs[4:])))
    start("1")
    start("2")
    decided(cluster, *(f"b{number}" for number in range(3)))
    ids = [made.label_id or "" for made in cluster.decisions() if made.decided_by == "label"]
    assert sorted(ids) == sorted([*(f"a{n}" for n in range(4)), *(f"b{n}" for n in range(3))])
