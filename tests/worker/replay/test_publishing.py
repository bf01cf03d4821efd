"""Publishing over what stands, with a real index and a judge whose verdicts are known."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import structlog

from schemas.decision import MatchDecision, supersedes
from schemas.offer import Offer
from tests.decisions import NOW
from tests.worker.replay.conftest import about, offer
from tests.worker.stream.conftest import MANIFEST, POLICY, RuleJudge
from worker.blocking import BlockingSettings, Index
from worker.blocking.records import Link
from worker.replay.again import Again
from worker.replay.errors import WouldNotStand
from worker.replay.publishing import GONE, LABEL, MOVED, OPERATOR, OTHERS, PUBLISHED, STANDS, Portion, Publishing
from worker.stream.bench import Bench, seated
from worker.stream.metrics import Metrics
from worker.stream.pairs import Basis

A, B, C = offer("a:1"), offer("b:1"), offer("c:1", "sony camera w130")
OURS: dict[str, Any] = {"bundle": MANIFEST.ref(), "policy_version": POLICY.resolved().version}
OLDER = MANIFEST.ref().model_copy(update={"version": "0.9.0", "digest": "0" * 64})


class Live:
    """A live index with three offers at version 1, and a replay that publishes into it."""

    def __init__(self, redis_url: str) -> None:
        self.index = Index.connect(redis_url, settings=BlockingSettings(idf="fixed"))
        self.index.initialise("g")
        self.index.upsert_many([(each, 1) for each in (A, B, C)])
        self.judge = RuleJudge()
        self.counts = Counter[str]()

    def publish(self, *standing: MatchDecision, basis: Basis | None = None, owns: bool = True) -> Portion:
        basis = basis or Basis(MANIFEST.ref(), POLICY.resolved())
        log = structlog.get_logger()
        again = Again(Bench(seated(self.judge, basis), Metrics(), log), "r", lambda: NOW + timedelta(hours=1), log)
        portion = Publishing(self.index, again, "r", 3, lambda pair: owns, lambda made: made.replay == "r").judge(
            standing, self.counts
        )
        self.counts = +self.counts
        return portion

    def settle(self, portion: Portion) -> None:
        self.index.settle_many(portion.settles)
        self.index.unlink_many(portion.unlinks)


@pytest.fixture
def live(redis_url: str) -> Live:
    return Live(redis_url)


def old(a: Offer, b: Offer, verdict: str = "no_match", **fields: Any) -> MatchDecision:
    return about(a, b, verdict, **{"bundle": OLDER, **fields})


def test_a_new_decision_stands_and_is_linked_as_a_workers(live: Live) -> None:
    held = old(A, B)
    portion = live.publish(held)
    (made,) = portion.decisions
    assert supersedes(made, held)
    assert (made.verdict, made.previous_decision_id, made.replay) == ("match", held.decision_id, "r")
    link = live.index.links("a:1")["b:1"]
    assert link.pending, "until the commit it is only announced"
    live.settle(portion)
    link = live.index.links("b:1")["a:1"]
    assert not link.pending
    assert link.standing is not None
    assert link.standing.decision_id == made.decision_id


def test_a_match_that_is_none_any_more_loses_its_link(live: Live) -> None:
    first = live.publish(old(A, C, "match"))
    assert [made.verdict for made in first.decisions] == ["no_match"]
    live.settle(first)
    assert live.index.links("a:1") == {}


def test_an_offer_that_moves_while_it_is_judged_is_judged_as_it_is(live: Live) -> None:
    moved = B.model_copy(update={"title": "sony camera w130"})
    live.judge.during = lambda query, candidates: live.index.upsert(moved, 2)
    portion = live.publish(old(A, B, "match"))
    (made,) = portion.decisions
    assert (made.verdict, made.second.effective_version, made.second.digest) == ("no_match", 2, moved.digest())
    assert len(live.judge.asked) == 2


def test_an_offer_that_goes_meanwhile_is_left_to_its_delete(live: Live) -> None:
    live.judge.during = lambda query, candidates: live.index.delete("b:1", 2)
    portion = live.publish(old(A, B))
    assert portion.decisions == []
    live.settle(portion)
    assert live.index.links("a:1") == {}, "our mark is taken back"


def test_an_older_version_than_what_stands_is_not_published(live: Live) -> None:
    held = old(A, B)
    ahead = held.model_copy(update={"second": held.second.model_copy(update={"effective_version": 7})})
    assert live.publish(ahead).decisions == []
    assert live.counts == {MOVED: 1}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"decided_by": "label", "label_id": "l"}, LABEL),
        ({"decided_by": "operator", "action_id": "o", **OURS}, OPERATOR),
        (OURS, STANDS),
    ],
)
def test_what_is_left_alone(live: Live, fields: dict[str, Any], reason: str) -> None:
    assert live.publish(old(A, B, **fields)).decisions == []
    assert (live.counts, live.judge.asked) == ({reason: 1}, [])


def test_a_label_of_other_contents_binds_nothing(live: Live) -> None:
    live.index.upsert(A.model_copy(update={"description": "new"}), 2)
    (made,) = live.publish(old(A, B, decided_by="label", label_id="l")).decisions
    assert made.first.effective_version == 2


def test_a_label_binds_at_a_newer_version_of_the_same_content(live: Live) -> None:
    live.index.upsert(A, 2)
    assert live.publish(old(A, B, decided_by="label", label_id="l")).decisions == []
    assert live.counts == {LABEL: 1}


def test_an_operators_word_about_an_older_bundle_is_judged_afresh(live: Live) -> None:
    held = old(A, B, decided_by="operator", action_id="o")
    assert [supersedes(made, held) for made in live.publish(held).decisions] == [True]


def test_what_is_gone_and_what_another_bundle_owns(live: Live) -> None:
    live.index.delete("b:1", 2)
    assert live.publish(old(A, B), old(A, offer("z:1"))).decisions == []
    assert live.counts == {GONE: 2}
    live.counts.clear()
    assert live.publish(old(A, C), owns=False).decisions == []
    assert live.counts == {OTHERS: 1}


def test_a_bundle_that_would_not_supersede_is_refused_before_anything_is_linked(live: Live) -> None:
    newer = MANIFEST.ref().model_copy(update={"version": "3.0.0", "digest": "3" * 64})
    with pytest.raises(WouldNotStand, match=r"rule 1\.0\.0 .* would not supersede .* rule 3\.0\.0 \(333333333333"):
        live.publish(old(A, B, bundle=newer))
    assert live.index.links("a:1") == {}
    # A later deployment orders before the bundle's version: that is what a rollback is.
    promoted = Basis(MANIFEST.ref(), POLICY.resolved(), deployment=5)
    (made,) = live.publish(old(A, B, bundle=newer, deployment=4), basis=promoted).decisions
    assert made.deployment == 5
    with pytest.raises(WouldNotStand, match="deployment 6"):
        live.publish(old(A, B, deployment=6), basis=promoted)


def test_a_killed_session_leaves_no_mark(live: Live) -> None:
    """Published, but killed before the links were settled: the next session finds its own decision and settles."""
    (made,) = live.publish(old(A, B)).decisions
    assert live.index.links("a:1")["b:1"].pending
    live.settle(live.publish(made))
    link = live.index.links("a:1")["b:1"]
    assert not link.pending
    assert link.standing is not None
    assert link.standing.decision_id == made.decision_id
    assert (live.counts[PUBLISHED], live.counts[STANDS]) == (1, 0)


def test_the_mark_of_a_worker_stays(live: Live) -> None:
    live.index.link_many([Link("a:1", "b:1", "0:17")])
    live.settle(live.publish(old(A, B)))
    assert live.index.links("a:1")["b:1"].tokens == {"0:17"}
