"""The panels of a run as files: ``panels.jsonl`` for people, and beside it what the monitor reads, pair by pair.

A run that goes on from a checkpoint takes up the panels up to it, so that its monitor remembers what a run that was
never stopped would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson

from train.rl.hacking import Reading

TABLE, FOLDER = "panels.jsonl", "panels"


class PanelLog:
    """Readings and metrics of the panels of one run, in order of steps."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.readings: list[Reading] = []
        self.metrics: list[dict[str, Any]] = []

    def read(self, until: int) -> None:
        """Take up the saved panels of steps up to ``until``; later ones are of a part of the run that is lost."""
        self.readings, self.metrics = [], []
        table = self.run / TABLE
        rows = [orjson.loads(line) for line in table.read_bytes().splitlines()] if table.is_file() else []
        for row in rows:
            path = self._file(row["step"])
            if row["step"] <= until and path.is_file():
                with np.load(path) as kept:
                    signals = {name: kept[name] for name in kept.files if name != "proxy"}
                    self.readings.append(Reading(row["step"], kept["proxy"], signals))
                self.metrics.append(row)

    def add(self, reading: Reading, metrics: dict[str, Any], *, write: bool) -> None:
        """Append a panel; one process of a run writes."""
        self.readings.append(reading)
        self.metrics.append(metrics)
        if write:
            self._file(0).parent.mkdir(parents=True, exist_ok=True)
            arrays: dict[str, Any] = {"proxy": reading.proxy, **reading.signals}
            np.savez(self._file(reading.step), **arrays)
            (self.run / TABLE).write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in self.metrics))

    def best(self) -> int:
        """The step of the panel with the best gold Brier score; the earlier of two alike."""
        return int(max(self.metrics, key=lambda row: (row["gold_brier"], -row["step"]))["step"])

    def _file(self, step: int) -> Path:
        return self.run / FOLDER / f"{step:06d}.npz"
