"""What a look leaves behind in a real Redis."""

from __future__ import annotations

import pytest

from schemas.drift import DriftEvent
from schemas.monitor_settings import MonitorSettings
from schemas.sections import LogSettings
from tests.worker.monitor.test_store import DIGEST, SETTINGS, TOPIC, facts, place, store
from worker.monitor.reader import Found
from worker.monitor.store import DAY_MS, MonitorStore
from worker.monitor.tick import Ticker
from worker.monitor.windows import WindowId
from worker.stream.logs import configure
from worker.stream.metrics import MONITOR_WINDOWS, Metrics

__all__ = ["store"]


class Ended:
    """A log of one partition in which nothing comes any more."""

    def partitions(self, topic: str) -> list[int]:
        return [0] if topic == TOPIC else []

    def ends(self, topic: str, partitions: list[int]) -> dict[int, int]:
        return {0: 5}

    def next_after(self, topic: str, partition: int, offset: int) -> Found | int:
        return 5


@pytest.mark.parametrize(("days", "kept"), [(1, 3), (100, 1)])
def test_old_windows_are_compared_and_then_forgotten(store: MonitorStore, days: float, kept: int) -> None:
    windows = [WindowId(start, DIGEST) for start in (0, 10_000, 20_000)]
    for number, window in enumerate(windows):
        store.apply(place(number, window.start), number, facts(number))
    settings: MonitorSettings = SETTINGS.model_copy(update={"retention_days": 30.0})
    metrics, published = Metrics(), list[DriftEvent]()
    ticker = Ticker(
        store, Ended(), {TOPIC: "match.decisions"}, settings, published.extend, lambda: int(days * DAY_MS), metrics,
        configure(LogSettings(level="error")),
    )  # fmt: skip
    ticker.tick()
    # Even where all of them are older than the retention, each was compared first; the last marks the place.
    assert metrics.value(MONITOR_WINDOWS, inputs="decisions") == 3
    assert store.windows("decisions") == windows[-kept:]
    ticker.tick()
    assert metrics.value(MONITOR_WINDOWS, inputs="decisions") == 3
