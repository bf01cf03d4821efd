from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import structlog

from schemas.decision import DELETED_DIGEST, MatchDecision
from schemas.events import Position
from schemas.offer import Offer
from tests.worker.stream.conftest import MANIFEST, NOW, POLICY, RuleJudge, offer
from worker.blocking import Index
from worker.stream.bench import seated
from worker.stream.judging import Followed, Judging
from worker.stream.metrics import PAIRS_SKIPPED, Metrics
from worker.stream.pairs import Basis, Member, PairOrder


class Bench:
    """Judging over a real index: `change` and `delete` do what the loop does with one change, commit included."""

    def __init__(self, index: Index, judge: RuleJudge, order: PairOrder = "query_first") -> None:
        self.index = index
        self.metrics = Metrics()
        self.basis = Basis(MANIFEST.ref(), POLICY.resolved(), order)
        self.judging = Judging(index, judge, self.basis, 4, lambda: NOW, self.metrics, structlog.get_logger())

    def follow(
        self, changed: Offer, version: int, k: int = 10, made: Sequence[MatchDecision] = (), isolate: bool = False
    ) -> Followed:
        self.index.upsert(changed, version)
        member = Member(changed.key, version, changed.digest(), changed, changed.version)
        known = {each.pair_id: each for each in made}
        return self.judging.upsert(member, Position(topic="t", partition=0, offset=version), k, known, isolate)

    def change(self, changed: Offer, version: int, k: int = 10) -> Followed:
        return self.settled(self.follow(changed, version, k))

    def delete(self, key: str, version: int) -> Followed:
        self.index.delete(key, version)
        followed = self.judging.delete(Member.gone(key, version), Position(topic="t", partition=0, offset=version))
        return self.settled(followed)

    def settled(self, followed: Followed) -> Followed:
        self.index.settle_many(followed.settles)
        self.index.unlink_many(followed.unlinks)
        return followed


@pytest.fixture
def bench(index: Index, judge: RuleJudge) -> Bench:
    return Bench(index, judge)


def verdicts(followed: Followed) -> dict[str, str]:
    return {made.pair_id: made.verdict for made in followed.decisions}


def test_a_match_is_linked_and_a_no_match_is_not(bench: Bench) -> None:
    bench.change(offer(1), 1)
    bench.change(offer(2, "sony camera w130"), 2)
    followed = bench.change(offer(3), 3)
    assert verdicts(followed) == {"s:1#s:3": "match", "s:2#s:3": "no_match"}
    links = bench.index.links("s:3")
    assert list(links) == ["s:1"]
    standing = links["s:1"].standing
    assert standing is not None
    assert (standing.verdict, standing.versions, links["s:1"].pending) == ("match", (1, 3), False)


def test_until_the_commit_every_judged_pair_is_linked(bench: Bench) -> None:
    bench.change(offer(1, "sony camera w130"), 1)
    bench.follow(offer(2), 2)
    assert bench.index.links("s:1")["s:2"].pending


def test_a_decision_carries_all_that_made_it(bench: Bench) -> None:
    bench.change(offer(1, version=5), 1)
    (made,) = bench.change(offer(2), 2).decisions
    assert (made.query_key, made.candidate_key, made.candidate_rank) == ("s:2", "s:1", 0)
    assert (made.first.effective_version, made.first.seller_version, made.second.effective_version) == (1, 5, 2)
    assert (made.source.offset, made.bundle.name, made.policy_version) == (2, "rule", bench.basis.policy.version)
    assert (made.previous_verdict, made.linked, made.decided_by) == (None, False, "student")


def test_what_is_unchanged_is_not_judged_again(bench: Bench, judge: RuleJudge) -> None:
    bench.change(offer(1), 1)
    (made,) = bench.change(offer(2), 2).decisions
    judge.asked.clear()
    again = bench.change(offer(2), 3)
    assert (again.decisions, again.standing_ids, judge.asked) == ([], [made.decision_id], [])
    # A new image changes the content, but nothing that is read.
    again = bench.change(offer(1, image_url="https://example.com/new.jpg"), 4)
    assert (again.decisions, again.standing_ids, judge.asked) == ([], [made.decision_id], [])


def test_a_change_judges_again_and_names_what_stood(bench: Bench) -> None:
    bench.change(offer(1), 1)
    (before,) = bench.change(offer(2), 2).decisions
    (after,) = bench.change(offer(2, "sony camera w130"), 3).decisions
    assert (after.verdict, after.previous_verdict, after.previous_decision_id) == (
        "no_match", "match", before.decision_id,
    )  # fmt: skip
    assert bench.index.links("s:1") == {}


def test_another_policy_judges_again(index: Index, judge: RuleJudge) -> None:
    bench = Bench(index, judge)
    bench.change(offer(1), 1)
    bench.change(offer(2), 2)
    stricter = POLICY.model_copy(update={"match_threshold": 0.55})
    bench.judging.seats = seated(judge, replace(bench.basis, policy=stricter))
    assert verdicts(bench.change(offer(2), 3)) == {"s:1#s:2": "match"}


def test_live_matches_are_followed_up_when_blocking_names_nobody(bench: Bench) -> None:
    bench.change(offer(1), 1)
    bench.change(offer(2), 2)
    followed = bench.change(offer(2, "garden hose"), 3, k=0)
    assert verdicts(followed) == {"s:1#s:2": "no_match"}
    assert followed.decisions[0].linked
    assert followed.decisions[0].candidate_rank is None


def test_a_pending_link_is_judged_and_never_reused(bench: Bench) -> None:
    bench.change(offer(1), 1)
    bench.change(offer(2), 2)
    bench.index.link("s:1", "s:2", "9:99")
    assert verdicts(bench.change(offer(2), 3)) == {"s:1#s:2": "match"}


def test_an_offer_that_moves_meanwhile_is_judged_again(bench: Bench, judge: RuleJudge) -> None:
    bench.change(offer(1), 1)

    def move(query: Offer, candidates: Sequence[Offer]) -> None:
        judge.during = lambda query, candidates: None
        bench.index.upsert(offer(1, "sony camera w130"), 2)

    judge.during = move
    followed = bench.change(offer(3), 3)
    assert verdicts(followed) == {"s:1#s:3": "no_match"}
    assert (followed.rejudged, followed.decisions[0].first.effective_version) == (1, 2)


def test_one_that_never_rests_ends_the_rounds(bench: Bench, judge: RuleJudge) -> None:
    bench.change(offer(1), 1)
    versions = iter(range(2, 100))
    judge.during = lambda query, candidates: bench.index.upsert(offer(1), next(versions))
    followed = bench.change(offer(200), 200)
    assert followed.rejudged == 3
    assert len(followed.decisions) == 1


def test_an_offer_that_is_deleted_meanwhile_is_dropped(bench: Bench, judge: RuleJudge) -> None:
    bench.change(offer(1), 1)
    judge.during = lambda query, candidates: bench.index.delete("s:1", 2)
    followed = bench.change(offer(3), 3)
    assert followed.decisions == []
    assert bench.index.links("s:3") == {}


def test_a_delete_retracts_what_stands(bench: Bench) -> None:
    bench.change(offer(1), 1)
    bench.change(offer(2), 2)
    bench.change(offer(3, "sony camera perhaps"), 3)
    followed = bench.delete("s:2", 4)
    assert verdicts(followed) == {"s:1#s:2": "retracted", "s:2#s:3": "retracted"}
    sides = {side.key: side for made in followed.decisions for side in (made.first, made.second)}
    assert (sides["s:2"].effective_version, sides["s:2"].digest) == (4, DELETED_DIGEST)
    assert {made.previous_verdict for made in followed.decisions} == {"match", "review"}
    assert bench.index.links("s:2") == {}
    assert list(bench.index.links("s:1")) == ["s:3"]


def test_a_pending_pair_is_retracted_too_because_it_may_have_been_published(bench: Bench) -> None:
    bench.change(offer(1), 1)
    bench.follow(offer(2), 2)
    assert verdicts(bench.delete("s:1", 3)) == {"s:1#s:2": "retracted"}


def test_a_link_to_a_deleted_offer_is_retracted_from_this_side(bench: Bench) -> None:
    bench.change(offer(1), 1)
    bench.change(offer(2), 2)
    bench.index.delete("s:1", 3)
    followed = bench.change(offer(2), 4)
    assert verdicts(followed) == {"s:1#s:2": "retracted"}
    assert bench.index.links("s:2") == {}


def test_both_sides_in_one_batch_share_a_decision(bench: Bench, judge: RuleJudge) -> None:
    bench.index.upsert(offer(1), 1)
    bench.index.upsert(offer(2), 2)
    first = bench.follow(offer(1), 1)
    second = bench.follow(offer(2), 2, made=first.decisions)
    assert (len(first.decisions), second.decisions) == (1, [])
    assert second.shared_ids == [first.decisions[0].decision_id]
    assert judge.asked == [("s:1", "s:2")]


@pytest.mark.parametrize("changed", [1, 2])
def test_with_the_first_id_first_it_does_not_matter_who_asks(index: Index, judge: RuleJudge, changed: int) -> None:
    bench = Bench(index, judge, "first_id")
    bench.index.upsert(offer(3 - changed), 3 - changed)
    (made,) = bench.change(offer(changed), changed).decisions
    assert judge.asked == [("s:1", "s:2")]
    assert (made.query_key, made.first.effective_version, made.second.effective_version) == ("s:1", 1, 2)


def test_identifiers_decide_only_where_the_policy_lets_them(index: Index, judge: RuleJudge) -> None:
    bench = Bench(index, judge)
    one, other = offer(1, gtin="4006381333931"), offer(2, "sony camera w130", gtin="4006381333931")
    bench.change(one, 1)
    assert bench.change(other, 2).decisions[0].decided_by == "student"
    fast = replace(bench.basis, policy=POLICY.model_copy(update={"identifier_fast_path": True}))
    bench.judging.seats = seated(judge, fast)
    (made,) = bench.change(other, 3).decisions
    assert (made.verdict, made.decided_by, made.probability, made.rationale) == ("match", "identifier", None, None)


def test_alone_an_unsound_candidate_is_left_out(bench: Bench) -> None:
    bench.change(offer(1), 1)
    bench.index.upsert(offer(2, "sony camera poison w120"), 2)
    with pytest.raises(ArithmeticError):
        bench.follow(offer(3), 3)
    followed = bench.settled(bench.follow(offer(3), 3, isolate=True))
    assert verdicts(followed) == {"s:1#s:3": "match"}
    assert bench.metrics.value(PAIRS_SKIPPED) == 1
    assert list(bench.index.links("s:3")) == ["s:1"]


def test_alone_an_unsound_query_fails(bench: Bench) -> None:
    bench.change(offer(1), 1)
    with pytest.raises(ArithmeticError):
        bench.follow(offer(2, "sony camera poison w120"), 2, isolate=True)
