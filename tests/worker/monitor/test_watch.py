"""From closed windows to events, on a real Redis."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.drift import DriftEvent, InputKind, Opinion
from schemas.monitor_settings import MonitorSettings
from schemas.sections import RedisSettings
from tests.worker.monitor.making import NOW, judged
from worker.monitor.facts import ALL, decision_facts, opinion_facts
from worker.monitor.overview import overview
from worker.monitor.page import write_page
from worker.monitor.references import BadReference, accepted, keep, put
from worker.monitor.store import MonitorStore, Place
from worker.monitor.streams import HORIZONS
from worker.monitor.watch import INPUT_SHARE, SIGNALS, Watch, rules_of, watched
from worker.monitor.windows import Window, WindowId

SETTINGS = MonitorSettings(window_s=10, unit=20, reference_units=8, trial_units=8, max_watched=2)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def store(redis_url: str) -> Iterator[MonitorStore]:
    made = MonitorStore.connect(RedisSettings.model_validate({"url": redis_url, "namespace": "m"}), SETTINGS)
    yield made
    made.close()


def fill(store: MonitorStore, windows: int, drift_from: int, source: str = "shop") -> None:
    """Windows of 20 decisions each; from one on, three quarters of them are in doubt."""
    chance = random.Random(0)
    for number in range(20 * windows):
        drifted = number >= 20 * drift_from and chance.random() < 0.75
        p = chance.uniform(0.4, 0.6) if drifted else chance.choice([0.01, 0.02, 0.05, 0.9, 0.97])
        facts = decision_facts(judged(number, p, source=source))
        store.apply(Place("t", 0, number, number // 20 * 10_000), number, facts)


def run(watch: Watch, until_ms: int = 10**9) -> list[DriftEvent]:
    events: list[DriftEvent] = []
    for window in watch.due(until_ms):
        compared = watch.compare(window)
        again = watch.compare(window)
        assert [event.event_id for event in again.events] == [event.event_id for event in compared.events]
        events += compared.events
        assert watch.advance(compared)
    return events


def test_a_drift_makes_one_event_a_signal_with_what_moved_and_both_distances(store: MonitorStore) -> None:
    fill(store, windows=60, drift_from=45)
    events = run(Watch(store, "decisions", SETTINGS))
    armed = [event for event in events if event.kind == "reference"]
    assert {event.segment for event in armed} == {"all", "source=shop"}
    alarms = {event.stream: event for event in events if event.kind == "alarm"}
    assert {"decisions/all/score", "decisions/all/confidence"} <= alarms.keys()
    score = alarms["decisions/all/score"]
    assert 400 <= score.since.timestamp() <= 470
    assert score.window_end.timestamp() <= 560
    assert score.bundle is not None
    assert score.distance_reference is not None
    assert score.distance_reference > 0.3
    assert score.distance_last_good is not None
    assert score.moved[0].now > score.moved[0].before
    assert score.estimate is not None
    assert score.estimate_reference is not None
    assert (score.estimate.f1 or 1) < (score.estimate_reference.f1 or 0)
    assert score.false_alarm_rate == SETTINGS.false_alarms


def test_another_monitor_goes_on_where_one_was_and_both_find_the_same(store: MonitorStore) -> None:
    fill(store, windows=60, drift_from=45)
    first, second = Watch(store, "decisions", SETTINGS), Watch(store, "decisions", SETTINGS)
    window = first.due(10**9)[0]
    assert second.due(10**9)[0] == window
    one, two = first.compare(window), second.compare(window)
    assert first.advance(one)
    assert not second.advance(two)
    assert second.due(10**9)[0] > window
    both = run(first, 300_000) + run(second)
    assert any(event.kind == "alarm" for event in both)


def test_all_weights_together_are_at_most_one() -> None:
    whole = 0.0
    for inputs, signals in SIGNALS.items():
        kind: InputKind = inputs
        for segments, name in ((1, ALL), (SETTINGS.max_watched, "source=x")):
            weight = 10 ** -rules_of(SETTINGS, kind, name).threshold / SETTINGS.false_alarms
            whole += segments * signals * len(HORIZONS) * weight
    assert whole == pytest.approx(1)
    assert sum(INPUT_SHARE.values()) == pytest.approx(1)


def test_the_largest_sources_are_watched_and_old_ones_stay() -> None:
    counts = {name: {"sum.n": {"": size}} for name, size in (("all", 9), ("a", 1), ("b", 3), ("c", 5), ("other", 7))}
    window = Window(WindowId(0, "d"), 10, counts)
    assert watched(window, {}, 2) == ["all", "b", "c"]
    assert watched(window, {"all": {}, "a": {}}, 2) == ["all", "a", "c"]


def test_a_reference_is_kept_put_in_force_and_dropped(store: MonitorStore) -> None:
    fill(store, windows=30, drift_from=99)
    run(Watch(store, "decisions", SETTINGS))
    kept = keep(store)
    (event, *_) = accepted(store, "decisions", "all", by="ann")
    assert (event.kind, event.by, event.stream) == ("accepted", "ann", "decisions/all/*")
    assert store.states("decisions")["d" * 12 + "/all"]["units"] == 0
    assert put(store, kept) == 2
    assert store.states("decisions")["d" * 12 + "/all"]["units"] == 30
    with pytest.raises(KeyError):
        accepted(store, "decisions", "source=nobody", by="ann")
    with pytest.raises(BadReference):
        put(store, {"decisions": {"d/all": {"units": 1}}})


def test_the_page_shows_what_was_found_and_escapes_the_sellers(store: MonitorStore, tmp_path: Path) -> None:
    fill(store, windows=60, drift_from=45, source=HOSTILE)
    run(Watch(store, "decisions", SETTINGS))
    said = {"by": "judge:core_identity", "given_at": NOW, "decision_id": "d", "pair_id": "a:1#b:2"}
    for number in range(20):
        opinion = Opinion.model_validate({**said, "opinion_id": f"{number}", "score": float(number % 4 > 0)})
        store.apply(Place("t.match.opinions", 0, number, 5_000), number, opinion_facts(opinion))
    found = overview(store, SETTINGS, 60)
    found["labelled"] = {
        "f1": {"value": 0.5, "low": 0.4, "high": 0.6}, "precision": {"value": 0.75, "low": 0.4, "high": 0.9},
        "recall": {"value": None, "low": 0.0, "high": 1.0}, "answered": 7, "drawn": 9,
    }  # fmt: skip
    (row,) = found["agreement"]
    assert (row["by"], row["with"], row["agree"], row["of"]) == ("judge:core_identity", "student", 15, 20)
    assert row["low"] < row["share"] == 0.75 < row["high"]
    assert "score" in next(each for each in found["streams"] if each["name"] == "decisions/all")["alarms"]
    assert len(found["quality"]) == 60
    score = next(each for each in found["signals"] if each["name"] == "decisions/all/score")
    assert score["open"]
    assert score["trail"][-1][1] >= score["threshold"]
    assert all(abs(sum(shares) - 1) < 1e-3 for _, shares in score["windows"])
    data, page = write_page(found, tmp_path)
    text = page.read_text()
    assert HOSTILE not in text
    assert "judge:core_identity" in text
    assert "(7 answers to 9 draws)" in text
    assert "F1 by people" in text[text.index("<svg") : text.index("</svg>")]
    assert "&lt;script&gt;" in text
    assert text.count("<svg") == 1 + len(found["signals"])
    assert data.stat().st_size > 1_000
