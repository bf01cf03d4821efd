"""What people's labels say of the same period: the correction that stands beside the estimate without labels.

The draws of `match.labeling` with the answers of `match.labels`, put together by `worker.labeling.estimate`. Of the
decisions as they were published: a pair sent to review counts as not found, while the estimate without labels takes the
probability over the threshold for the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from schemas.settings import Settings
from worker.labeling import reading
from worker.labeling.estimate import Interval, quality


def labelled_quality(
    settings: Settings, begin: datetime, end: datetime, passed: Callable[[str, int, int], None] = lambda *_: None
) -> dict[str, Any] | None:
    """Precision, recall and F1 with their 95% intervals, JSON-ready; None where no draw of the period has an answer.

    `begin` is inclusive, `end` exclusive, of the decisions' own times. `passed`: (topic, records read, of how many).
    Raises ReplayError.
    """
    draws = reading.read_draws(settings, begin, passed)
    drawn = reading.drawn_of(draws, reading.read_answers(settings, reading.PEOPLE, passed), begin, end)
    found = quality(drawn)
    if not found.answered:
        return None
    return {
        "drawn": found.drawn, "answered": found.answered, "begin": begin.isoformat(), "end": end.isoformat(),
        **{name: _plain(getattr(found, name)) for name in ("f1", "precision", "recall")},
    }  # fmt: skip


def _plain(interval: Interval) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in asdict(interval).items()}
