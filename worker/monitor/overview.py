"""All that the command line and the page show, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from scipy.stats import binomtest

from schemas.drift import InputKind
from schemas.events import format_time
from schemas.monitor_settings import MonitorSettings
from worker.monitor.bins import SCALES, order_of
from worker.monitor.distance import add, moved
from worker.monitor.estimation import estimate
from worker.monitor.facts import AGREEMENTS, ALL
from worker.monitor.store import MonitorStore
from worker.monitor.streams import Stream
from worker.monitor.watch import ESTIMATE, rules_of
from worker.monitor.windows import Window


def overview(store: MonitorStore, settings: MonitorSettings, windows: int) -> dict[str, Any]:
    """The last windows of every input and the state of every stream; JSON-ready."""
    found: dict[str, Any] = {
        "made_at": format_time(datetime.now(UTC)),
        "false_alarms": settings.false_alarms,
        "window_s": settings.window_s,
        "streams": [],
        "signals": [],
        "begin": None,
        "end": None,
        "quality": [],
        "agreement": [],
        "labelled": None,
    }
    for inputs in get_args(InputKind):
        recent = [store.window(inputs, each) for each in store.windows(inputs)[-windows:]]
        found["streams"] += _streams(store, inputs, settings)
        found["signals"] += _signals(store, inputs, recent, settings)
        if inputs == "decisions":
            found["quality"] = quality(recent)
            found["begin"], found["end"] = (
                (_time(recent[0].id.start), _time(recent[-1].end)) if recent else (None, None)
            )
        if inputs == "opinions":
            found["agreement"] = agreements(recent)
    return found


def agreements(windows: Sequence[Window]) -> list[dict[str, Any]]:
    """How often each judge and the teacher agree with the student, and judges with people, with 95% intervals (Wilson).

    Opinions count decisions, people's labels the attribute verdicts that they tell of.
    """
    whole: dict[str, dict[str, int]] = {}
    for window in windows:
        for signal, counts in window.segments.get(ALL, {}).items():
            if signal.startswith(AGREEMENTS):
                add(whole.setdefault(signal, {}), counts)
    rows = []
    for signal, counts in sorted(whole.items()):
        kind, _, by = signal.partition(".")
        agree, total = counts.get("agree", 0), counts.get("agree", 0) + counts.get("differ", 0)
        bounds = binomtest(agree, total).proportion_ci(method="wilson")
        rows.append(
            {
                "by": by, "with": "people" if kind == "people" else "student", "agree": agree, "of": total,
                "share": agree / total, "low": float(bounds.low), "high": float(bounds.high),
            }
        )  # fmt: skip
    return rows


def quality(windows: Sequence[Window]) -> list[dict[str, Any]]:
    """The estimate of every window that has one."""
    rows = []
    for window in windows:
        counts = window.segments.get(ALL, {})
        if sums := counts.get(ESTIMATE):
            made = estimate(sums).model_dump()
            rows.append({"end": _time(window.end), "epoch": window.id.epoch, "estimate": made})
    return rows


def _streams(store: MonitorStore, inputs: InputKind, settings: MonitorSettings) -> list[dict[str, Any]]:
    rows = []
    for name, state in sorted(store.states(inputs).items()):
        epoch, _, segment = name.partition("/")
        stream, rules = Stream(name, state), rules_of(settings, inputs, segment)
        rows.append(
            {
                "name": f"{inputs}/{segment}",
                "epoch": epoch,
                "units": stream.units,
                "needed": rules.reference_units + rules.trial_units,
                "armed": stream.armed(rules),
                "alarms": sorted(name for name, signal in stream.signals.items() if signal.open),
            }
        )
    return rows


def _signals(
    store: MonitorStore, inputs: InputKind, recent: Sequence[Window], settings: MonitorSettings
) -> list[dict[str, Any]]:  # fmt: skip
    """The signals of the segment `all` under the newest epoch, and of others those in alarm."""
    if not recent:
        return []
    epoch = recent[-1].id.epoch
    rows = []
    for name, state in sorted(store.states(inputs, f"{epoch}/").items()):
        segment = name.partition("/")[2]
        stream, rules = Stream(name, state), rules_of(settings, inputs, segment)
        for signal_name, signal in sorted(stream.signals.items()):
            if segment != ALL and not signal.open:
                continue
            what = moved(signal.worst.run, signal.reference)
            bins = bins_of(signal_name, signal.reference, recent, segment)
            rows.append(
                {
                    "name": f"{inputs}/{segment}/{signal_name}",
                    "epoch": epoch,
                    "open": signal.open,
                    "since": _time(signal.worst.since) if signal.open else None,
                    "threshold": rules.threshold,
                    "trail": [[_time(end), *rest] for end, *rest in signal.trail],
                    "moved": [each.model_dump() for each in what] if signal.open else [],
                    "bins": bins,
                    "reference": _shares(signal.reference, bins),
                    "windows": [
                        [_time(window.end), _shares(window.segments.get(segment, {}).get(signal_name, {}), bins)]
                        for window in recent
                        if window.id.epoch == epoch and signal_name in window.segments.get(segment, {})
                    ],
                }
            )
    return rows


def bins_of(signal: str, reference: dict[str, int], windows: Sequence[Window], segment: str) -> list[str]:
    """The bins that hold something, in their order; of names the most frequent eight, the rest is what is left."""
    seen = dict(reference)
    for window in windows:
        for name, number in window.segments.get(segment, {}).get(signal, {}).items():
            seen[name] = seen.get(name, 0) + number
    if signal in SCALES:
        ordered = [name for name in order_of(SCALES[signal]) if name in seen]
        return ordered + sorted(seen.keys() - set(ordered))
    return sorted(sorted(seen, key=lambda name: (-seen[name], name))[:8])


def _shares(counts: dict[str, int], bins: Sequence[str]) -> list[float]:
    total = sum(counts.values())
    return [round(counts.get(name, 0) / total, 5) if total else 0.0 for name in bins]


def _time(at_ms: int) -> str:
    return format_time(datetime.fromtimestamp(at_ms / 1000, UTC))
