"""Who watches the streams: the monitor, and the detectors of river and evidently with the settings they come with.

Each sees the same windows in the same order and says after each whether it raises an alarm. After an alarm all of them
begin anew with what they have learnt (the monitor puts the stream out of alarm, river's detectors reset themselves), so
that false alarms can be counted on long clean streams.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

from benchmarks.drift_making import Block
from schemas.drift import InputKind
from schemas.monitor_settings import MonitorSettings
from worker.monitor.distance import add
from worker.monitor.facts import Facts
from worker.monitor.streams import Stream
from worker.monitor.watch import rules_of

Window = Sequence[Block]
EVERYTHING: tuple[InputKind, ...] = ("decisions", "offers", "answers")
NUMBERS = ("probability", "score", "title_chars", "candidates")
CHOICES = ("verdict", "brand", "product", "variant", "specification", "quantity")


class Detector(Protocol):
    """`learn` is given the windows before which nothing is to be said; `look` says who raised an alarm, if anybody."""

    def learn(self, windows: Sequence[Window]) -> None: ...

    def look(self, window: Window) -> list[str]: ...

    def copy(self) -> Detector: ...


class Monitor:
    """`worker.monitor`'s streams, with the settings' rules: all, and each source."""

    def __init__(
        self, settings: MonitorSettings, inputs: Sequence[InputKind] = ("decisions", "offers", "answers")
    ) -> None:
        self._settings = settings
        self._inputs = tuple(inputs)
        self._streams: dict[tuple[InputKind, str], Stream] = {}
        self._now = 0

    def learn(self, windows: Sequence[Window]) -> None:
        for window in windows:
            self.look(window)

    def look(self, window: Window) -> list[str]:
        alarms: list[str] = []
        start, self._now = self._now, self._now + 1000
        for inputs in self._inputs:
            for segment, counts in window_counts(window, inputs).items():
                stream = self._streams.setdefault((inputs, segment), Stream(f"{inputs}/{segment}"))
                for found in stream.step(start, self._now, counts, rules_of(self._settings, inputs, segment)):
                    if found.kind == "alarm":
                        alarms.append(f"{inputs}/{segment}/{found.signal}")
                        stream.reset(found.signal)
        return alarms

    def copy(self) -> Monitor:
        return copy.deepcopy(self)


def window_counts(window: Window, inputs: InputKind) -> dict[str, dict[str, dict[str, int]]]:
    """The counts of a window's blocks by segment, as the store would hold them."""
    segments: dict[str, dict[str, dict[str, int]]] = {}
    for block in window:
        facts: Sequence[Facts] = block.decisions if inputs == "decisions" else [getattr(block, inputs)]
        for each in facts:
            for segment in each.segments:
                held = segments.setdefault(segment, {})
                for name, place, amount in each.counts:
                    add(held.setdefault(name, {}), {place: amount})
    return segments


class River:
    """One of river's detectors on each of some numbers of every decision; any of them raises the alarm."""

    def __init__(self, kind: str, columns: Sequence[str]) -> None:
        from river import drift

        makers = {"ADWIN": drift.ADWIN, "KSWIN": lambda: drift.KSWIN(seed=1), "Page-Hinkley": drift.PageHinkley}
        self._detectors = {column: makers[kind]() for column in columns}

    def learn(self, windows: Sequence[Window]) -> None:
        for window in windows:
            self.look(window)

    def look(self, window: Window) -> list[str]:
        alarms: list[str] = []
        for column, detector in self._detectors.items():
            # The listing's numbers come once a change, the decision's once a decision.
            for block in window:
                rows = block.rows[:1] if column in ("title_chars", "candidates") else block.rows
                for row in rows:
                    detector.update(float(row[column]))
                    if detector.drift_detected:
                        alarms.append(column)
        return alarms

    def copy(self) -> River:
        return copy.deepcopy(self)


class Evidently:
    """evidently's DataDriftPreset: each window against the learnt ones. `any_column`: one drifted column is an alarm;
    else half of them are, which is the preset's own rule."""

    def __init__(self, any_column: bool) -> None:
        self._any = any_column
        self._reference: Any = None

    def learn(self, windows: Sequence[Window]) -> None:
        self._reference = self._dataset(windows)

    def look(self, window: Window) -> list[str]:
        from evidently import Report
        from evidently.presets import DataDriftPreset

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = Report([DataDriftPreset()]).run(self._dataset([window]), self._reference)
        for metric in report.dict()["metrics"]:
            value = metric["value"]
            if isinstance(value, dict) and "share" in value:
                return ["dataset"] if (value["count"] >= 1 if self._any else value["share"] >= 0.5) else []
        raise RuntimeError("the preset's report has no count of drifted columns")

    def _dataset(self, windows: Sequence[Window]) -> Any:
        import pandas as pd
        from evidently import DataDefinition, Dataset

        frame = pd.DataFrame([row for window in windows for block in window for row in block.rows])
        definition = DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=list(CHOICES))
        return Dataset.from_pandas(frame, data_definition=definition)

    def copy(self) -> Evidently:
        return self
