"""Compares closed windows with the references of their streams, and says what was found.

A step is a function of the states and of a window's counts alone, so that two monitors that compare the same window
find the same and make events of the same ids; `advance.lua` lets one of them write the states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from schemas.decision import BundleRef
from schemas.drift import DriftEvent, DriftKind, InputKind, drift_event_id, stream_key
from schemas.monitor_settings import MonitorSettings
from worker.monitor.distance import beyond_noise, moved, total_variation
from worker.monitor.estimation import estimate
from worker.monitor.evidence import threshold_log10
from worker.monitor.facts import ALL, COUNT, SUM
from worker.monitor.store import MonitorStore
from worker.monitor.streams import HORIZONS, Finding, Rules, Stream
from worker.monitor.windows import Window, WindowId

ESTIMATE = f"{SUM}estimate"

# How the bound on false alarms is shared out: among the inputs, and half of each to the segment `all`, in which every
# drift shows sooner or later. The numbers of signals are those of `facts`; a signal more would only tighten it.
INPUT_SHARE: dict[InputKind, float] = {"decisions": 0.4, "offers": 0.4, "answers": 0.1, "opinions": 0.1}
SIGNALS: dict[InputKind, int] = {"decisions": 14, "offers": 16, "answers": 2, "opinions": 8}
ALL_SHARE = 0.5

# A change is one listing and one answer, but several decisions: as many changes make a unit of each.
UNIT_SHARE: dict[InputKind, float] = {"decisions": 1.0, "offers": 0.25, "answers": 0.25, "opinions": 1.0}


def rules_of(settings: MonitorSettings, inputs: InputKind, segment: str) -> Rules:
    """What a stream is compared by. The weights of all detectors of all streams sum to at most 1."""
    share = ALL_SHARE if segment == ALL else (1 - ALL_SHARE) / settings.max_watched
    weight = INPUT_SHARE[inputs] * share / (SIGNALS[inputs] * len(HORIZONS))
    unit = max(1, round(settings.unit * UNIT_SHARE[inputs]))
    return Rules(
        unit, settings.reference_units, settings.trial_units, settings.min_distance,
        threshold_log10(settings.false_alarms, weight),
    )  # fmt: skip


@dataclass
class Compared:
    """What came of one window."""

    window: Window
    streams: dict[str, Stream]
    """By segment, as they stand after it."""
    events: list[DriftEvent]


def compare(
    inputs: InputKind, window: Window, states: Mapping[str, Mapping[str, Any]], settings: MonitorSettings
) -> Compared:
    """Take a window into its streams. `states`: of this window's epoch, by segment."""
    streams: dict[str, Stream] = {}
    events: list[DriftEvent] = []
    for segment in watched(window, states, settings.max_watched):
        rules = rules_of(settings, inputs, segment)
        stream = Stream(f"{inputs}/{window.id.epoch}/{segment}", states.get(segment))
        armed = stream.armed(rules)
        findings = stream.step(window.id.start, window.end, window.segments[segment], rules)
        streams[segment] = stream
        events += [_event(inputs, segment, found, stream, window, rules, settings) for found in findings]
        if stream.armed(rules) and not armed:
            events.append(_armed(inputs, segment, stream, window, rules, settings))
    return Compared(window, streams, events)


def watched(window: Window, states: Mapping[str, Any], most: int) -> list[str]:
    """The segments of a window that are compared: all, those that were before, then the largest new ones."""
    found = window.segments
    others = [name for name in found if name not in (ALL, "other")]
    sizes = {name: found[name].get(COUNT, {}).get("", 0) for name in others}
    room = most - sum(name not in (ALL, "other") for name in states)
    new = sorted((name for name in others if name not in states), key=lambda name: (-sizes[name], name))
    kept = {name for name in others if name in states} | set(new[: max(0, room)])
    return [name for name in (ALL, *sorted(kept)) if name in found]


def _event(
    inputs: InputKind, segment: str, found: Finding, stream: Stream, window: Window, rules: Rules,
    settings: MonitorSettings,
) -> DriftEvent:  # fmt: skip
    kind: DriftKind = "alarm" if found.kind == "alarm" else "recovered"
    now, before = found.unit.counts.get(ESTIMATE), stream.reference.get(ESTIMATE)
    return DriftEvent(
        **_common(inputs, segment, found.signal, kind, found.unit.start, found.unit.end, window, rules, settings),
        since=_time(found.since), observations=found.observations, evidence=found.evidence,
        distance_reference=beyond_noise(found.run, found.reference),
        distance_last_good=total_variation(found.run, found.last_good),
        moved=moved(found.run, found.reference),
        estimate=estimate(now) if now else None,
        estimate_reference=estimate(before) if before else None,
    )  # fmt: skip


def _armed(
    inputs: InputKind, segment: str, stream: Stream, window: Window, rules: Rules, settings: MonitorSettings
) -> DriftEvent:
    before = stream.reference.get(ESTIMATE)
    return DriftEvent(
        **_common(inputs, segment, "*", "reference", window.id.start, window.end, window, rules, settings),
        since=_time(window.id.start), observations=stream.reference.get(COUNT, {}).get("", 0),
        estimate_reference=estimate(before) if before else None,
    )  # fmt: skip


def _common(
    inputs: InputKind, segment: str, signal: str, kind: DriftKind, start: int, end: int, window: Window, rules: Rules,
    settings: MonitorSettings,
) -> dict[str, Any]:  # fmt: skip
    stream = stream_key(inputs, segment, signal)
    return {
        "event_id": drift_event_id(stream, kind, start, window.id.epoch),
        "stream": stream, "inputs": inputs, "segment": segment, "signal": signal, "kind": kind,
        "window_start": _time(start), "window_end": _time(end),
        "threshold": rules.threshold, "false_alarm_rate": settings.false_alarms,
        "bundle": BundleRef.model_validate(orjson.loads(window.bundle)) if window.bundle else None,
    }  # fmt: skip


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


class Watch:
    """Takes one input's windows in order. Keeps the states that it wrote last, and reads them when another did."""

    def __init__(self, store: MonitorStore, inputs: InputKind, settings: MonitorSettings) -> None:
        self._store = store
        self.inputs = inputs
        self._settings = settings
        self._position: str | None = None
        self._edits = 0
        self._states: dict[str, dict[str, dict[str, Any]]] = {}

    def due(self, until_ms: int) -> list[WindowId]:
        """Windows that hold something, are not compared and end by `until_ms`; oldest first."""
        position, edits = self._store.position(self.inputs), self._store.edits(self.inputs)
        if (position, edits) != (self._position, self._edits):
            self._position, self._edits, self._states = position, edits, {}
        last = WindowId.parse(position) if position else None
        before = until_ms - self._settings.window_s * 1000 + 1
        found = self._store.windows(self.inputs, None if last is None else last.start - 1, before)
        return [window for window in found if last is None or window > last]

    def compare(self, window: WindowId) -> Compared:
        """What a window says; nothing is written."""
        return compare(self.inputs, self._store.window(self.inputs, window), self._known(window.epoch), self._settings)

    def advance(self, compared: Compared) -> bool:
        """Write what `compare` made; False if another monitor has been there. Events are published before."""
        epoch = compared.window.id.epoch
        states = {segment: stream.state() for segment, stream in compared.streams.items()}
        expected, reached = self._position or "", compared.window.id.member
        named = {f"{epoch}/{segment}": state for segment, state in states.items()}
        if not self._store.advance(self.inputs, expected, reached, self._edits, named):
            self._position, self._states = None, {}
            return False
        self._known(epoch).update(states)
        self._position = reached
        return True

    def _known(self, epoch: str) -> dict[str, dict[str, Any]]:
        if epoch not in self._states:
            self._states[epoch] = by_segment(self._store.states(self.inputs, f"{epoch}/"))
        return self._states[epoch]


def by_segment(states: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """States by segment instead of by `epoch/segment`."""
    return {name.partition("/")[2]: state for name, state in states.items()}


def in_alarm(streams: Iterable[Stream]) -> int:
    """How many signals stand in alarm."""
    return sum(signal.open for stream in streams for signal in stream.signals.values())
