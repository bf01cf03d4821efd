"""Sampling a batch on a real index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from schemas.decision import MatchDecision
from schemas.events import UnknownMajorVersion, dumps
from schemas.labeling_settings import LabelingSettings
from schemas.offer import Offer
from schemas.topics import DECISIONS
from tests.decisions import NOW, decision
from tests.worker.stream.conftest import index, offer
from worker.blocking import Index
from worker.labeling.budget import Budget
from worker.labeling.memory import RedisFirstSeen
from worker.labeling.sampler import IncomingDecision, Sampler, features, read_decision
from worker.stream.records import Record

__all__ = ["index"]
SETTINGS = LabelingSettings(uniform_rate=0.3, budget_per_day=100_000, novelty_rate=1.0, novelty_span=10)


def made(a: Offer, b: Offer, name: str, **changes: Any) -> MatchDecision:
    plain = decision(a.key, b.key, "match")
    digests = {each.key: each.digest() for each in (a, b)}
    sides = {
        side: getattr(plain, side).model_copy(update={"digest": digests[getattr(plain, side).key]})
        for side in ("first", "second")
    }
    return plain.model_copy(update={"decision_id": name, **sides, **changes})


def incoming(offset: int, made_: MatchDecision) -> IncomingDecision:
    return read_decision(Record(DECISIONS, 0, offset, made_.pair_id.encode(), dumps(made_)))


@pytest.fixture
def sampler(index: Index) -> Sampler:
    return Sampler(index, RedisFirstSeen(index.client, "test", "t"), SETTINGS, 1, lambda: NOW)


def test_a_batch_that_comes_again_is_drawn_as_before(sampler: Sampler, index: Index) -> None:
    offers = [offer(number, brand=f"brand {number // 40}") for number in range(100)]
    index.upsert_many((each, number) for number, each in enumerate(offers))
    batch = [incoming(n, made(offers[n], offers[n + 1], f"d{n}")) for n in range(99)]
    budgets = {0: Budget.fresh(SETTINGS)}
    first = sampler.sample(batch, budgets)
    assert 10 < len(first.tasks) < 90
    assert sampler.sample(batch, budgets).tasks == first.tasks
    # What is cut otherwise after a restart is drawn alike, too.
    halves = sampler.sample(batch[:50], budgets)
    assert [*halves.tasks, *sampler.sample(batch[50:], halves.budgets).tasks] == first.tasks
    # A brand is new for a while after its first decision, and not for ever.
    new = {int(task.task_id[1:]) for task in first.tasks if "novelty" in task.reasons}
    assert {*range(10), *range(39, 49)} <= new
    assert not new & {*range(12, 38)}


def test_replays_labels_and_what_is_long_ago_are_left_out(sampler: Sampler, index: Index) -> None:
    one, two = offer(1), offer(2)
    index.upsert_many([(one, 1), (two, 2)])
    left_out = [
        made(one, two, "a", replay="r"), made(one, two, "b", decided_by="label"),
        made(one, two, "c", decided_at=NOW - timedelta(days=SETTINGS.expires_days, seconds=1)),
    ]  # fmt: skip
    batch = [incoming(number, each) for number, each in enumerate(left_out)]
    batch.append(read_decision(Record(DECISIONS, 0, 3, b"k", b"{oops")))
    sampled = sampler.sample(batch, {0: Budget.fresh(SETTINGS)})
    assert (sampled.tasks, sampled.seen) == ([], 0)
    assert sampled.budgets == {0: Budget.fresh(SETTINGS)}


def test_an_unknown_major_version_is_not_guessed_at() -> None:
    with pytest.raises(UnknownMajorVersion):
        read_decision(Record(DECISIONS, 0, 0, b"k", b'{"schema_version": "2.0"}'))


def test_what_can_be_new() -> None:
    pair = made(offer(1), offer(2), "d")
    assert features(pair, [offer(1, brand=" SONY  Corp"), offer(2)]) == ["sources:s", "brand:sony corp"]


def test_the_earliest_sight_is_kept(index: Index) -> None:
    seen = RedisFirstSeen(index.client, "test", "t")
    assert seen.note(0, {"a": 7}) == {"a": 7}
    assert seen.note(0, {"a": 9, "b": 9}) == {"a": 7, "b": 9}
    assert seen.note(0, {"a": 3}) == {"a": 3}
    assert seen.note(1, {"a": 9}) == {"a": 9}


class Said:
    """Doubts every third decision, from a moment on."""

    def __init__(self) -> None:
        self.spoken = False

    def among(self, batch: Sequence[IncomingDecision]) -> set[str]:
        names = {each.made.decision_id for each in batch if each.made is not None}
        return {name for name in names if int(name[1:]) % 3 == 0} if self.spoken else set()


def test_what_is_doubted_has_the_greater_chance_and_totals_are_unbiased(index: Index) -> None:
    offers = [offer(number) for number in range(50)]
    index.upsert_many((each, number) for number, each in enumerate(offers))
    settings = SETTINGS.model_copy(update={"novelty_rate": 0.0, "uniform_rate": 0.1, "disagreement_rate": 0.6})
    said = Said()
    sampler = Sampler(index, RedisFirstSeen(index.client, "test", "t"), settings, 1, lambda: NOW, said)
    batch = [incoming(n, made(offers[n % 49], offers[n % 49 + 1], f"d{n}")) for n in range(3_000)]
    fresh = {0: Budget.fresh(settings)}
    plain = sampler.sample(batch, fresh).tasks
    said.spoken = True
    told = sampler.sample(batch, fresh).tasks
    assert {task.inclusion_probability for task in plain} == {0.1}
    for task in told:
        third = int(task.task_id[1:]) % 3 == 0
        assert task.inclusion_probability == pytest.approx(0.6 if third else 0.1)
        assert ("disagreement" in task.reasons) == third
    # Nothing is lost by what is said, and weights still count everybody: 1,000 of one kind, 2,000 of the other.
    assert {task.task_id for task in plain} <= {task.task_id for task in told}
    doubted = [task for task in told if "disagreement" in task.reasons]
    assert sum(1 / task.inclusion_probability for task in doubted) == pytest.approx(1_000, abs=110)
    assert sum(1 / task.inclusion_probability for task in told) == pytest.approx(3_000, abs=600)
