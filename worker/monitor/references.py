"""What streams have learnt: kept in a file, put in force elsewhere, or dropped because the world has changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from schemas.drift import DriftEvent, InputKind, drift_event_id, stream_key
from worker.monitor.store import MonitorStore
from worker.monitor.streams import Stream


class BadReference(ValueError):
    """A file that holds no references."""


def keep(store: MonitorStore) -> dict[str, dict[str, Any]]:
    """{inputs: {epoch/segment: state}} of all streams whose reference is whole, without evidence and open windows."""
    found: dict[str, dict[str, Any]] = {}
    for inputs in get_args(InputKind):
        for name, state in store.states(inputs).items():
            stream = Stream(name, state)
            stream.pending, stream.pending_start = {}, None
            for signal in stream.signals.values():
                signal.open, signal.typical, signal.trail = False, 0, []
                for horizon in signal.horizons:
                    horizon.drop()
            found.setdefault(inputs, {})[name] = stream.state()
    return found


def put(store: MonitorStore, streams: Mapping[str, Mapping[str, Any]]) -> int:
    """Put kept references in force; returns how many. Stop the monitors meanwhile. Raises BadReference."""
    count = 0
    for inputs in get_args(InputKind):
        states = streams.get(inputs, {})
        try:
            for name, state in states.items():
                Stream(name, state)
        except (KeyError, TypeError, AttributeError) as error:
            raise BadReference(f"{inputs}: {error!r} in a stream's state") from error
        store.replace_states(inputs, states)
        store.touch(inputs)
        count += len(states)
    return count


def accepted(store: MonitorStore, inputs: str, segment: str, by: str) -> list[DriftEvent]:
    """Let a stream learn anew, under every bundle; the events that say so. Raises KeyError for an unknown stream."""
    kind: InputKind = next(each for each in get_args(InputKind) if each == inputs)
    named = {name: state for name, state in store.states(kind).items() if name.partition("/")[2] == segment}
    if not named:
        raise KeyError(segment)
    fresh: dict[str, Any] = {}
    events: list[DriftEvent] = []
    now = datetime.now(UTC)
    for name, state in named.items():
        stream = Stream(name, state)
        stream.accept()
        fresh[name] = stream.state()
        key = stream_key(inputs, segment, "*")
        events.append(
            DriftEvent(
                event_id=drift_event_id(key, "accepted", int(now.timestamp() * 1000), name.partition("/")[0]),
                stream=key, inputs=kind, segment=segment, signal="*", kind="accepted", window_start=now,
                window_end=now, since=now, observations=0, by=by,
            )
        )  # fmt: skip
    store.replace_states(kind, fresh)
    store.touch(kind)
    return events
