"""One look at what can be closed: compare, publish, write the states. In this order a kill repeats and never loses."""

from __future__ import annotations

from collections.abc import Callable

from schemas.drift import DriftEvent, InputKind
from schemas.monitor_settings import MonitorSettings
from worker.monitor.closing import ReadsAhead, whole_until
from worker.monitor.counting import asking
from worker.monitor.estimation import estimate
from worker.monitor.facts import ALL, INPUTS
from worker.monitor.store import DAY_MS, MonitorStore
from worker.monitor.watch import ESTIMATE, Compared, Watch, in_alarm
from worker.stream.backoff import Log
from worker.stream.errors import Unavailable
from worker.stream.metrics import (
    MONITOR_ALARMS,
    MONITOR_BEHIND,
    MONITOR_DISTANCE,
    MONITOR_ESTIMATE,
    MONITOR_EVIDENCE,
    MONITOR_WINDOWS,
    Metrics,
)

# Windows compared in one look; the rest at the next, so that a long absence does not block the timer for minutes.
MOST = 50


class Ticker:
    """`publish` returns once the broker has the events. `now_ms` is the wall clock in milliseconds."""

    def __init__(
        self,
        store: MonitorStore,
        reader: ReadsAhead,
        topic_names: dict[str, str],
        settings: MonitorSettings,
        publish: Callable[[list[DriftEvent]], None],
        now_ms: Callable[[], int],
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._store = store
        self._reader = reader
        self._topics: dict[InputKind, str] = {INPUTS[name]: full for full, name in topic_names.items()}
        self._watches = [Watch(store, inputs, settings) for inputs in self._topics]
        self._settings = settings
        self._publish = publish
        self._now_ms = now_ms
        self._metrics = metrics
        self._log = log
        self._waiting = False

    def tick(self) -> None:
        """Compare what is whole. An outage is waited out: the next look finds the same."""
        try:
            for watch in self._watches:
                asking(lambda watch=watch: self._close(watch))  # type: ignore[misc]
            self._waiting = False
        except Unavailable as error:
            if not self._waiting:
                self._log.warning("waiting", system=error.system, detail=error.detail)
            self._waiting = True

    def _close(self, watch: Watch) -> None:
        now = self._now_ms()
        grace = round(self._settings.grace_s * 1000)
        waiting = watch.due(now - grace)
        if waiting:
            needed = waiting[min(len(waiting), MOST) - 1].start + self._settings.window_s * 1000
            topic = self._topics[watch.inputs]
            until = whole_until(topic, self._store.marks(), needed, self._reader, self._now_ms, grace)
            for window in watch.due(until)[:MOST]:
                compared = watch.compare(window)
                self._publish(compared.events)
                if not watch.advance(compared):
                    break
                self._note(watch.inputs, compared)
            waiting = watch.due(now - grace)
        self._store.forget_before(watch.inputs, now - round(self._settings.retention_days * DAY_MS))
        oldest = now - waiting[0].start - self._settings.window_s * 1000 if waiting else 0
        self._metrics.set(MONITOR_BEHIND, oldest / 1000, inputs=watch.inputs)

    def _note(self, inputs: InputKind, compared: Compared) -> None:
        metrics = self._metrics
        metrics.add(MONITOR_WINDOWS, inputs=inputs)
        metrics.set(MONITOR_ALARMS, in_alarm(compared.streams.values()), inputs=inputs)
        for event in compared.events:
            self._log.info("drift", kind=event.kind, stream=event.stream, evidence=round(event.evidence, 2))
        whole = compared.streams.get(ALL)
        if whole is None:
            return
        for name, signal in whole.signals.items():
            if signal.trail:
                _, evidence, far, near = signal.trail[-1]
                metrics.set(MONITOR_EVIDENCE, evidence, inputs=inputs, signal=name)
                metrics.set(MONITOR_DISTANCE, far, inputs=inputs, signal=name, to="reference")
                metrics.set(MONITOR_DISTANCE, near, inputs=inputs, signal=name, to="last_good")
        sums = compared.window.segments.get(ALL, {}).get(ESTIMATE)
        if sums:
            made = estimate(sums)
            for measure in ("precision", "recall", "f1", "f1_low", "f1_high"):
                value = getattr(made, measure)
                metrics.set(MONITOR_ESTIMATE, float("nan") if value is None else value, measure=measure)
