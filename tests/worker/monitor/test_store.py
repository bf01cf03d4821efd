"""Counting once, on a real Redis."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from schemas.monitor_settings import MonitorSettings
from schemas.sections import RedisSettings
from tests.worker.monitor.making import judged, some_decision
from worker.monitor.counting import Counter, Uncountable
from worker.monitor.facts import Facts, decision_facts
from worker.monitor.reader import Found
from worker.monitor.store import MonitorStore, Outcome, Place
from worker.monitor.windows import WindowId
from worker.stream.backoff import Patience
from worker.stream.logs import configure
from worker.stream.metrics import MONITOR_EVENTS, MONITOR_FETCHED, Metrics

TOPIC = "t.match.decisions"
SETTINGS = MonitorSettings(window_s=10, max_segments=3, max_watched=2)
DIGEST = "d" * 12


@pytest.fixture
def store(redis_url: str) -> Iterator[MonitorStore]:
    made = MonitorStore.connect(RedisSettings.model_validate({"url": redis_url, "namespace": "m"}), SETTINGS)
    yield made
    made.close()


def place(offset: int, at_ms: int = 5_000, partition: int = 0) -> Place:
    return Place(TOPIC, partition, offset, at_ms)


def facts(number: int = 1, **fields: object) -> Facts:
    found = decision_facts(judged(number, **fields))  # type: ignore[arg-type]
    assert found is not None
    return found


def total(store: MonitorStore, segment: str = "all", start: int = 0) -> int:
    window = store.window("decisions", WindowId(start, DIGEST))
    return window.segments.get(segment, {}).get("sum.n", {}).get("", 0)


def test_a_record_counts_once_however_often_it_is_delivered(store: MonitorStore) -> None:
    assert store.apply(place(3), 3, facts(1)) == ("counted", 3)
    assert store.apply(place(3), 3, facts(1)) == ("old", 3)
    assert store.apply(place(2), 2, facts(2)) == ("old", 3)
    assert total(store) == 1
    assert store.marks() == {f"{TOPIC}/0": (3, 5_000)}


def test_an_event_that_the_log_holds_twice_counts_once_in_its_window(store: MonitorStore) -> None:
    assert store.apply(place(3), 3, facts(1))[0] == "counted"
    assert store.apply(place(4), 4, facts(1))[0] == "twice"
    assert total(store) == 1


def test_a_record_whose_predecessors_are_not_counted_is_refused(store: MonitorStore) -> None:
    store.apply(place(3), 3, facts(1))
    assert store.apply(place(9), 6, facts(2)) == ("gap", 3)
    assert store.apply(place(9), 4, facts(2)) == ("counted", 9)
    assert total(store) == 2


def test_records_without_facts_move_the_mark(store: MonitorStore) -> None:
    assert store.apply(place(0), 0, None) == ("empty", 0)
    assert store.apply(place(1), 1, facts(1)) == ("counted", 1)
    assert len(store.windows("decisions")) == 1


def test_too_many_sources_are_counted_as_other(store: MonitorStore) -> None:
    for number in range(20):
        store.apply(place(number), number, facts(number, source=f"hostile-{number}"))
    window = store.window("decisions", WindowId(0, DIGEST))
    assert len(window.segments) == 1 + SETTINGS.max_segments + 1
    assert total(store) == 20
    assert total(store, "other") == 17


def test_windows_follow_the_logs_clock_and_bundles_are_kept_apart(store: MonitorStore) -> None:
    store.apply(place(0, 9_999), 0, facts(1))
    store.apply(place(1, 10_000), 1, facts(2))
    other = judged(3).bundle.model_copy(update={"digest": "e" * 64})
    store.apply(place(2, 10_001), 2, facts(3, bundle=other))
    expected = [WindowId(0, DIGEST), WindowId(10_000, DIGEST), WindowId(10_000, "e" * 12)]
    assert store.windows("decisions") == expected
    assert '"name":"tiny"' in store.window("decisions", expected[0]).bundle
    assert store.windows("decisions", after=0) == expected[1:]


class Log:
    """A partition whose every third record is no data (an aborted one, the end of a transaction)."""

    def __init__(self, length: int) -> None:
        chance = random.Random(0)
        self.records = {n: some_decision(n, chance) for n in range(length) if n % 3}

    def read(self, topic: str, partition: int, start: int, stop: int) -> list[Found]:
        return [
            Found(n, 5_000, made.model_dump_json().encode()) for n, made in self.records.items() if start <= n < stop
        ]


def counter(store: MonitorStore, log: Log, metrics: Metrics) -> Counter:
    from schemas.sections import LogSettings

    structured = configure(LogSettings(level="error"))
    patience = Patience(lambda _: None, lambda: 0.0, metrics, structured, 0.01, 0.01)
    return Counter(store, log, SETTINGS, {TOPIC: "match.decisions"}, None, patience, metrics, structured)


def test_what_was_passed_over_is_fetched_and_counted(store: MonitorStore) -> None:
    log, metrics = Log(30), Metrics()
    made = counter(store, log, metrics)
    assert made.take(place(1), log.records[1].model_dump_json().encode(), generation=1) == "counted"
    # A new generation begins far behind the mark's next record.
    assert made.take(place(20), log.records[20].model_dump_json().encode(), generation=2) == "counted"
    assert total(store) == sum(1 for n in log.records if n <= 20)
    assert metrics.value(MONITOR_FETCHED, inputs="decisions") == sum(1 for n in log.records if 1 < n < 20)


def test_within_a_generation_nothing_is_fetched(store: MonitorStore) -> None:
    log, metrics = Log(30), Metrics()
    made = counter(store, log, metrics)
    for number, each in log.records.items():
        made.take(place(number), each.model_dump_json().encode(), generation=1)
    assert total(store) == len(log.records)
    assert metrics.value(MONITOR_FETCHED, inputs="decisions") == 0


def test_two_monitors_that_read_the_same_partition_at_once_count_the_truth(store: MonitorStore, redis_url: str) -> None:
    log = Log(120)
    offsets = list(log.records)

    def member(seed: int) -> None:
        """Reads from the start or from where somebody was, jumps back, and is thrown out now and then."""
        chance, metrics = random.Random(seed), Metrics()
        own = MonitorStore.connect(RedisSettings.model_validate({"url": redis_url, "namespace": "m"}), SETTINGS)
        made, at, generation = counter(own, log, metrics), 0, 0
        while at < len(offsets):
            outcome: Outcome = made.take(
                place(offsets[at]), log.records[offsets[at]].model_dump_json().encode(), generation
            )  # fmt: skip
            assert outcome in ("counted", "old")
            at += 1
            if chance.random() < 0.05:
                # A rebalance: on from a committed offset, or, as may not happen, from one that was never counted.
                generation += 1
                at = min(len(offsets) - 1, max(0, at + chance.randrange(-30, 15)))
        own.close()

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(member, seed) for seed in range(3)]:
            done.result()
    assert total(store) == len(offsets)
    assert store.mark(TOPIC, 0) == offsets[-1]


def test_a_gap_that_cannot_be_filled_ends_the_process(store: MonitorStore) -> None:
    class Moving(MonitorStore):
        def apply(self, place: Place, known_from: int, facts: Facts | None) -> tuple[Outcome, int]:
            return ("gap", 0)

    log = Log(5)
    broken = Moving.connect(RedisSettings.model_validate({"url": "redis://localhost"}), SETTINGS)
    with pytest.raises(Uncountable):
        counter(broken, log, Metrics()).take(place(4), log.records[4].model_dump_json().encode(), 1)


def test_an_unreadable_record_is_counted_as_such_and_passed(store: MonitorStore) -> None:
    metrics = Metrics()
    assert counter(store, Log(1), metrics).take(place(0), b"{", 1) == "empty"
    assert metrics.value(MONITOR_EVENTS, inputs="decisions", result="unreadable") == 1


def test_only_one_of_two_advances_and_an_edit_between_stops_it(store: MonitorStore) -> None:
    assert store.advance("decisions", "", "0/d", 0, {"d/all": {"units": 1}})
    assert not store.advance("decisions", "", "0/d", 0, {"d/all": {"units": 2}})
    assert store.states("decisions", "d/") == {"d/all": {"units": 1}}
    store.touch("decisions")
    assert not store.advance("decisions", "0/d", "10/d", 0, {})
    assert store.advance("decisions", "0/d", "10/d", 1, {})
    assert store.position("decisions") == "10/d"


def test_windows_that_were_compared_are_forgotten_and_others_never(store: MonitorStore) -> None:
    windows = [WindowId(start, DIGEST) for start in (0, 10_000, 20_000, 30_000)]
    for number, window in enumerate(windows):
        store.apply(place(number, window.start), number, facts(number))
    assert store.forget_before("decisions", 40_000) == 0  # nothing was compared yet
    assert store.advance("decisions", "", windows[2].member, 0, {})
    assert store.forget_before("decisions", 10_000) == 1
    assert store.windows("decisions") == windows[1:]
    # A topic read from its beginning: all of it is long ago, and what is not compared stays.
    assert store.forget_before("decisions", 10**13) == 1
    assert store.windows("decisions") == windows[2:]
