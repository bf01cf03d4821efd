"""The budget of a day, and the chances that keep to it. Pure.

A chance must be known before the hash is looked at, and may depend on nothing of the decision but what is in its
strata. So the chances (`Scale`) are set when a *window* begins, from what came before, and stay for all of it; a window
ends with its time, or early after `WINDOW_DECISIONS`, so that a flood is noticed soon. The one exception is as
predictable: once the day's targeted budget is spent, targeted chances are 0 from the next decision on. Chances that
follow from the past alone leave the estimates unbiased: given the past, each decision is still drawn by its own hash.

A uniform task is never dropped: its chance is lowered for the next window, and never below `min_uniform_rate`.

One `Budget` is of one partition, and gets its part of the whole. It is plain data: the sampler keeps it in the metadata
of the partition's committed offset, so that it moves with the transaction and with the partition.
Times are of the decisions (`decided_at`); one that comes late counts into the window at work.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from schemas.labeling_settings import LabelingSettings
from worker.labeling.chances import Scale

_DAY = 86_400.0
# A flood costs at most this many decisions at the old chances.
WINDOW_DECISIONS = 5_000
# Half: a change of traffic is followed within a few windows, a single odd one does not upset the chances.
_MEMORY = 0.5
# A window shorter than this says nothing about a pace (a backlog that is read at once).
_SHORTEST = 1.0


@dataclass(frozen=True)
class Budget:
    """What a partition has spent of its day, and the chances in force. Seconds are Unix time."""

    uniform: float
    """Chance in force."""
    targeted: float
    """Factor in force."""
    day: int = -1
    since: float = 0.0
    """Begin of the window."""
    seen: int = 0
    """Decisions of the window so far."""
    mass: float = 0.0
    """Targeted tasks that the window would have made at factor 1: the sum of what chances exceed the uniform one."""
    pace: float = -1.0
    """Decisions a second, as expected; negative: nothing is known yet."""
    mass_pace: float = 0.0
    uniform_spent: int = 0
    targeted_spent: int = 0

    @classmethod
    def fresh(cls, settings: LabelingSettings) -> Budget:
        """Before the first decision."""
        return cls(settings.uniform_rate, 1.0)

    @property
    def scale(self) -> Scale:
        """The chances for the next decision."""
        return Scale(self.uniform, self.targeted)

    def dumps(self) -> str:
        """Short text, for the metadata of an offset (Kafka takes 4,096 bytes)."""
        return orjson.dumps({"v": 1, **asdict(self)}).decode()

    @classmethod
    def loads(cls, text: str, settings: LabelingSettings) -> Budget:
        """The inverse; a fresh one for what is no budget of ours (an offset that somebody else has set)."""
        try:
            data: dict[str, Any] = orjson.loads(text)
            if data.pop("v") != 1:
                return cls.fresh(settings)
            return cls(**data)
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            return cls.fresh(settings)


def advance(budget: Budget, at: datetime, settings: LabelingSettings, parts: int) -> Budget:
    """The budget for a decision of this time: a new window if the last one is over. `parts`: partitions that share."""
    now = at.timestamp()
    day = int(now // _DAY)
    if budget.day < 0:
        return replace(budget, day=day, since=now)
    elapsed = now - budget.since
    if elapsed < settings.window_s and budget.seen < WINDOW_DECISIONS and day <= budget.day:
        spent = budget.targeted > 0 and budget.targeted_spent >= _targeted_part(settings, parts)
        return replace(budget, targeted=0.0) if spent else budget
    long = max(elapsed, _SHORTEST)
    pace, mass_pace = budget.seen / long, budget.mass / long
    if budget.pace >= 0:
        pace = _MEMORY * pace + (1 - _MEMORY) * budget.pace
        mass_pace = _MEMORY * mass_pace + (1 - _MEMORY) * budget.mass_pace
    begun = replace(budget, since=max(now, budget.since), seen=0, mass=0.0, pace=pace, mass_pace=mass_pace)
    if day > budget.day:
        begun = replace(begun, day=day, uniform_spent=0, targeted_spent=0)
    left = max(_SHORTEST, (begun.day + 1) * _DAY - begun.since)
    return replace(begun, **_chances(begun, settings, parts, left))


def _chances(budget: Budget, settings: LabelingSettings, parts: int, left: float) -> dict[str, Any]:
    uniform_left = settings.budget_per_day / parts * settings.uniform_share - budget.uniform_spent
    targeted_left = _targeted_part(settings, parts) - budget.targeted_spent
    decisions, mass = budget.pace * left, budget.mass_pace * left
    uniform = settings.uniform_rate if decisions <= 0 else uniform_left / decisions
    targeted = 1.0 if mass <= 0 else targeted_left / mass
    lowest = min(settings.min_uniform_rate, settings.uniform_rate)
    return {
        "uniform": min(settings.uniform_rate, max(lowest, uniform)),
        "targeted": 0.0 if targeted_left <= 0 else min(1.0, max(0.0, targeted)),
    }


def _targeted_part(settings: LabelingSettings, parts: int) -> float:
    return settings.budget_per_day / parts * (1 - settings.uniform_share)


def spend(budget: Budget, wanted: float, uniform: bool, drawn: bool) -> Budget:
    """Count a decision: `wanted` is the greatest of its targeted base chances, `drawn` whether a task was made, and
    `uniform` whether the uniform share drew it."""
    return replace(
        budget,
        seen=budget.seen + 1,
        mass=budget.mass + max(0.0, wanted - budget.uniform),
        uniform_spent=budget.uniform_spent + int(drawn and uniform),
        targeted_spent=budget.targeted_spent + int(drawn and not uniform),
    )
