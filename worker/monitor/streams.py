"""One stream of windows: its reference, its ranks, its detectors. Pure, and plain data between two steps.

A stream is (inputs, epoch, segment): the decisions of one bundle from one source, say. Its windows are put together to
*units* of at least `unit` observations, so that a quiet seller is compared as fairly as a busy one. The first units
make the reference, the next ones only teach how far clean units are from it, and then the detectors bet.

Two horizons: single units find what is strong within few of them, groups of units what is weak.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

from worker.monitor.distance import Counts, add, beyond_noise, g_statistic, total_variation
from worker.monitor.evidence import Detector, p_value, uniform
from worker.monitor.facts import COUNT, SUM

Signals = Mapping[str, Counts]

HORIZONS = (1, 4)

# A signal in alarm is back when so many units in a row look like clean ones.
RECOVERY = 5
TYPICAL = 0.05
# The ranks of a month of five-minute windows. Beyond, half of them (by a draw) are kept and the detectors start anew.
MOST_SCORES = 8_000
TRAIL = 200


@dataclass(frozen=True)
class Rules:
    """What a stream is compared by; `threshold` is the log10 that a detector must reach."""

    unit: int
    reference_units: int
    trial_units: int
    min_distance: float
    threshold: float


@dataclass(frozen=True)
class Unit:
    """Windows put together. Times are milliseconds since the epoch."""

    start: int
    end: int
    counts: dict[str, dict[str, int]]

    @property
    def observations(self) -> int:
        return self.counts.get(COUNT, {}).get("", 0)


@dataclass(frozen=True)
class Finding:
    """A signal that left its reference, or came back (`kind`: alarm, recovered)."""

    signal: str
    kind: str
    unit: Unit
    since: int
    observations: int
    evidence: float
    run: dict[str, int]
    reference: dict[str, int]
    last_good: dict[str, int]


@dataclass
class Horizon:
    """Units of one signal taken `size` at a time."""

    size: int
    scores: list[float] = field(default_factory=list)
    detector: Detector = field(default_factory=Detector)
    held: dict[str, int] = field(default_factory=dict)
    units: int = 0
    run: dict[str, int] = field(default_factory=dict)
    """Counts since the evidence was calm: what a drift that is found now is made of."""
    since: int = 0
    observations: int = 0
    added: list[float] = field(default_factory=list)
    """Scores of the run."""

    def take(self, counts: Counts, unit: Unit, reference: Counts, bet: bool, tie: float) -> float | None:
        """The p-value of a group that this unit completes; None while it does not."""
        if not self.run:
            self.since = unit.start
        add(self.run, counts)
        self.observations += unit.observations
        add(self.held, counts)
        self.units += 1
        if self.units < self.size:
            return None
        score = g_statistic(self.held, reference)
        self.held, self.units = {}, 0
        p = p_value(self.scores, score, tie)
        if bet:
            self.detector.update(p)
        insort(self.scores, score)
        self.added.append(score)
        if self.detector.calm:
            self.run, self.observations, self.added = {}, 0, []
        return p

    def purge(self) -> None:
        """Take the scores of the run out of the ranks: else what has drifted would soon look typical."""
        for score in self.added:
            self.scores.remove(score)
        self.added = []

    def drop(self) -> None:
        """Forget a group that is not complete, and all evidence."""
        self.held, self.units, self.detector = {}, 0, Detector()
        self.run, self.observations, self.added = {}, 0, []


@dataclass
class Signal:
    """One signal of a stream."""

    reference: dict[str, int] = field(default_factory=dict)
    last_good: dict[str, int] = field(default_factory=dict)
    horizons: list[Horizon] = field(default_factory=lambda: [Horizon(size) for size in HORIZONS])
    open: bool = False
    typical: int = 0
    trail: list[tuple[int, float, float, float]] = field(default_factory=list)
    """(end of the unit, evidence, distance from the reference, from the last good unit)."""

    @property
    def worst(self) -> Horizon:
        """The horizon with the greatest evidence."""
        return max(self.horizons, key=lambda each: each.detector.log10)

    @property
    def evidence(self) -> float:
        """log10 of the greatest over the horizons; each has a share of the weight."""
        return self.worst.detector.log10


class Stream:
    """The state of one stream; `step` takes its next window."""

    def __init__(self, name: str, state: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.units = 0
        self.pending: dict[str, dict[str, int]] = {}
        self.pending_start: int | None = None
        self.reference: dict[str, dict[str, int]] = {}
        self.signals: dict[str, Signal] = {}
        if state is not None:
            # A copy: who holds the state may take the same window again.
            self._restore(deepcopy(state))

    def step(self, start: int, end: int, counts: Signals, rules: Rules) -> list[Finding]:
        """Take the counts of the window [start, end); what was found in the unit that it completed, if any."""
        if self.pending_start is None:
            self.pending_start = start
        for name, found in counts.items():
            add(self.pending.setdefault(name, {}), found)
        if self.pending.get(COUNT, {}).get("", 0) < rules.unit:
            return []
        unit = Unit(self.pending_start, end, self.pending)
        self.pending, self.pending_start = {}, None
        return self._take(unit, rules)

    def armed(self, rules: Rules) -> bool:
        """Whether the next unit can raise an alarm."""
        return self.units >= rules.reference_units + rules.trial_units

    def _take(self, unit: Unit, rules: Rules) -> list[Finding]:
        learning = self.units < rules.reference_units
        bet = self.armed(rules)
        findings: list[Finding] = []
        if learning:
            for name, counts in unit.counts.items():
                add(self.reference.setdefault(name, {}), counts)
        for name in sorted(unit.counts):
            if name.startswith(SUM):
                continue
            signal = self.signals.setdefault(name, Signal())
            if learning:
                add(signal.reference, unit.counts[name])
                signal.last_good = dict(unit.counts[name])
            elif signal.reference:
                found = self._compare(name, signal, unit, bet, rules)
                findings += [found] if found is not None else []
        self.units += 1
        return findings

    def _compare(self, name: str, signal: Signal, unit: Unit, bet: bool, rules: Rules) -> Finding | None:
        counts = unit.counts[name]
        if signal.open:
            return self._while_open(name, signal, unit)
        lowest = 1.0
        for horizon in signal.horizons:
            tie = uniform(self.name, name, unit.start, horizon.size)
            p = horizon.take(counts, unit, signal.reference, bet, tie)
            lowest = min(lowest, 1.0 if p is None else p)
            if len(horizon.scores) > MOST_SCORES:
                horizon.scores = [s for s in horizon.scores if uniform(self.name, name, unit.end, s) < 0.5]
                horizon.drop()
        self._trail(signal, unit, counts)
        worst = signal.worst
        far = beyond_noise(worst.run, signal.reference)
        if signal.evidence >= rules.threshold and far >= rules.min_distance:
            found = self._finding(name, signal, "alarm", unit)
            signal.open, signal.typical = True, 0
            for horizon in signal.horizons:
                horizon.purge()
            return found
        if lowest > TYPICAL:
            signal.last_good = dict(counts)
        return None

    def _while_open(self, name: str, signal: Signal, unit: Unit) -> Finding | None:
        """Drifted units teach nothing about clean ones: ranks stand still until the stream is back."""
        counts = unit.counts[name]
        first = signal.horizons[0]
        p = p_value(first.scores, g_statistic(counts, signal.reference), uniform(self.name, name, unit.start))
        signal.typical = signal.typical + 1 if p > TYPICAL else 0
        self._trail(signal, unit, counts)
        if signal.typical < RECOVERY:
            return None
        found = self._finding(name, signal, "recovered", unit)
        self.reset(name)
        signal.last_good = dict(counts)
        return found

    def _finding(self, name: str, signal: Signal, kind: str, unit: Unit) -> Finding:
        run, since, observations = unit.counts[name], unit.start, unit.observations
        if kind == "alarm":
            run, since, observations = signal.worst.run, signal.worst.since, signal.worst.observations
        return Finding(
            name, kind, unit, since, observations, signal.evidence, dict(run), dict(signal.reference),
            dict(signal.last_good),
        )  # fmt: skip

    def _trail(self, signal: Signal, unit: Unit, counts: Counts) -> None:
        near, far = total_variation(counts, signal.last_good), total_variation(counts, signal.reference)
        signal.trail.append((unit.end, round(signal.evidence, 3), round(far, 4), round(near, 4)))
        del signal.trail[:-TRAIL]

    def reset(self, name: str) -> None:
        """Take a signal out of alarm and forget its evidence, not what it has learnt."""
        signal = self.signals[name]
        signal.open = False
        for horizon in signal.horizons:
            horizon.drop()

    def accept(self) -> None:
        """Make what comes next the reference: an operator has looked and says that it is right."""
        self.units, self.reference, self.signals = 0, {}, {}

    def state(self) -> dict[str, Any]:
        """Plain data from which `Stream(name, state)` goes on."""
        return {
            "units": self.units,
            "pending": self.pending,
            "pending_start": self.pending_start,
            "reference": self.reference,
            "signals": {name: _signal_state(signal) for name, signal in self.signals.items()},
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.units = state["units"]
        self.pending = state["pending"]
        self.pending_start = state["pending_start"]
        self.reference = state["reference"]
        self.signals = {name: _signal(found) for name, found in state["signals"].items()}


_PLAIN = ("reference", "last_good", "open", "typical", "trail")


def _signal_state(signal: Signal) -> dict[str, Any]:
    plain = {name: getattr(signal, name) for name in _PLAIN}
    return {**plain, "horizons": [asdict(horizon) for horizon in signal.horizons]}


def _signal(found: Mapping[str, Any]) -> Signal:
    horizons = [Horizon(**{**each, "detector": _detector(each["detector"])}) for each in found["horizons"]]
    plain = {name: found[name] for name in _PLAIN}
    return Signal(**{**plain, "trail": [tuple(row) for row in plain["trail"]]}, horizons=horizons)


def _detector(found: Mapping[str, Any]) -> Detector:
    # JSON has no minus infinity.
    return Detector([float("-inf") if log is None else log for log in found["logs"]], found["run"])
