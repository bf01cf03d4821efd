"""Who judges a pair, without Kafka and Redis."""

from __future__ import annotations

import itertools

import pytest
import structlog

from schemas.decision import BundleRef
from schemas.deployment import Mode, in_share
from schemas.offer import Offer, pair_id
from schemas.policy import Policy
from tests.judges import LengthJudge
from worker.stream.bench import Bench, Seat, Seats, Verdict
from worker.stream.metrics import CANDIDATE_FAILURES, Metrics
from worker.stream.pairs import Basis, Member

POLICY = Policy(match_threshold=0.5, review_low=0.4, review_high=0.6, explain="all")
STRICT = Policy(match_threshold=0.9, review_low=0.9, review_high=0.9, explain="all")


def offer(number: int, title: str = "camera") -> Offer:
    return Offer.model_validate({"offer_id": str(number), "source": "s", "title": title})


def member(made: Offer) -> Member:
    return Member(made.key, 1, made.digest(), made)


QUERY = member(offer(0))
OTHERS = [member(offer(number, "camera" + "x" * number)) for number in range(1, 30)]


class Both:
    """A live judge and a candidate that says 2 nats more, on one bench whose clock ticks 10 ms a look."""

    def __init__(self, mode: Mode, share: float = 0.0, policy: Policy = POLICY) -> None:
        self.live, self.candidate = LengthJudge("1.0.0"), LengthJudge("2.0.0", shift=2.0)
        canary = mode == "canary"
        self.seats = Seats(
            Seat(self.live, Basis(self.live.manifest.ref(), policy, deployment=7)),
            Seat(self.candidate, Basis(self.candidate.manifest.ref(), STRICT, deployment=7, canary=canary)),
            mode,
            share,
        )
        self.metrics = Metrics()
        ticks = itertools.count()
        self.bench = Bench(self.seats, self.metrics, structlog.get_logger(), lambda: next(ticks) / 100)

    def judge(self, isolate: bool = False) -> dict[str, Verdict]:
        found = self.bench.judge(QUERY, OTHERS, isolate)
        assert all(verdict is not None for verdict in found)
        return {verdict.candidate.key: verdict for verdict in found if verdict is not None}

    def bundles(self) -> dict[str, BundleRef]:
        return {key: verdict.seat.basis.bundle for key, verdict in self.judge().items()}


def owned(share: float) -> set[str]:
    return {other.key for other in OTHERS if in_share(pair_id(QUERY.key, other.key), share)}


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_canary_judges_exactly_its_share(share: float) -> None:
    both = Both("canary", share)
    by = both.bundles()
    assert {key for key, bundle in by.items() if bundle.version == "2.0.0"} == owned(share)
    assert by.keys() == {other.key for other in OTHERS}


def test_a_canary_rules_by_its_own_policy_and_says_so() -> None:
    both = Both("canary", 0.5)
    for key, verdict in both.judge().items():
        judge, policy = (both.candidate, STRICT) if key in owned(0.5) else (both.live, POLICY)
        expected = judge.one(offer(0), verdict.candidate.offer or offer(0))
        assert verdict.judgement == expected
        assert (verdict.ruling.verdict == "match") == (expected.probability >= (policy.match_threshold or 0))
        assert verdict.seat.basis.canary == (key in owned(0.5))


def test_a_canary_that_fails_leaves_its_pairs_to_the_live_bundle() -> None:
    both = Both("canary", 0.5)
    both.candidate.fails = True
    by = both.bundles()
    assert {bundle.version for bundle in by.values()} == {"1.0.0"}
    assert by.keys() == {other.key for other in OTHERS}
    assert both.metrics.value(CANDIDATE_FAILURES, mode="canary") == len(owned(0.5))


def test_a_live_bundle_that_fails_fails_the_batch_whatever_the_candidate_says() -> None:
    both = Both("canary", 0.5)
    both.live.fails = True
    with pytest.raises(ArithmeticError):
        both.judge()


def test_a_shadow_judges_everything_and_decides_nothing() -> None:
    both, alone = Both("shadow"), Both("off")
    shadowed, bare = both.judge(), alone.judge()
    assert {key: verdict.ruling for key, verdict in shadowed.items()} == {
        key: verdict.ruling for key, verdict in bare.items()
    }
    assert all(verdict.shadow is None for verdict in bare.values())
    assert alone.candidate.calls == 0
    for verdict in shadowed.values():
        expected = both.candidate.one(offer(0), verdict.candidate.offer or offer(0))
        said = verdict.shadow
        assert said is not None
        assert (said.bundle.version, said.logit, said.probability) == ("2.0.0", expected.logit, expected.probability)
        assert (said.verdict == "match") == (expected.probability >= 0.9)
    assert {v.ruling.verdict for v in shadowed.values()} > {"match"}, "all the same: nothing could differ"


def test_a_shadow_that_fails_hurts_nobody() -> None:
    both = Both("shadow")
    both.candidate.fails = True
    found = both.judge()
    assert [verdict.shadow for verdict in found.values()] == [None] * len(OTHERS)
    assert {verdict.seat.basis.bundle.version for verdict in found.values()} == {"1.0.0"}
    both.judge()
    assert both.metrics.value(CANDIDATE_FAILURES, mode="shadow") == 2 * len(OTHERS)


def test_an_identifier_decides_without_anybody() -> None:
    fast = Both("shadow", policy=POLICY.model_copy(update={"identifier_fast_path": True}))
    gtin = {"gtin": "4006381333931"}
    one, other = (Offer.model_validate({**offer(number).model_dump(), **gtin}) for number in (1, 2))
    (verdict,) = fast.bench.judge(member(one), [member(other)], False)
    assert verdict is not None
    assert (verdict.judgement, verdict.shadow, verdict.ruling.verdict) == (None, None, "match")
    assert (fast.live.calls, fast.candidate.calls) == (0, 0)
    assert fast.bench.rationale(verdict, False) == (None, None)


def test_the_owner_writes_the_sentence_and_time_is_shared_by_the_pairs() -> None:
    both = Both("canary", 0.5)
    for key, verdict in both.judge().items():
        rationale, timings = both.bench.rationale(verdict, False)
        assert rationale is not None
        assert rationale.sentence == ("says 2.0.0" if key in owned(0.5) else "says 1.0.0")
        assert timings is not None
        # One tick for a call, whatever the number of pairs in it.
        together = len(owned(0.5)) if key in owned(0.5) else len(OTHERS) - len(owned(0.5))
        assert timings.judge_ms == pytest.approx(10 / together, abs=1e-3)
        assert timings.explain_ms == 10.0


def test_a_candidate_without_words_costs_the_sentence_only() -> None:
    both = Both("canary", 1.0)
    (verdict, *_) = both.judge().values()
    both.candidate.fails = True
    rationale, _ = both.bench.rationale(verdict, False)
    assert rationale is not None
    assert rationale.sentence is None
