from __future__ import annotations

import pytest

from schemas.sections import StreamSettings
from worker.stream.deadletters import DeadLetterLimit, TooManyDeadLetters


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def limit(clock: Clock) -> DeadLetterLimit:
    settings = StreamSettings(dead_letter_max_count=60, dead_letter_max_share=0.5, dead_letter_window_s=10)
    return DeadLetterLimit(settings, clock)


def test_a_share_of_a_handful_says_nothing() -> None:
    limit(Clock()).admit(10, 10)


def test_too_large_a_share_stops() -> None:
    counted = limit(Clock())
    counted.admit(60, 10)
    with pytest.raises(TooManyDeadLetters, match="dead_letter_max_share"):
        counted.admit(42, 42)


def test_too_many_stop() -> None:
    counted = limit(Clock())
    counted.admit(1000, 60)
    with pytest.raises(TooManyDeadLetters, match="61 of the last 1001"):
        counted.admit(1, 1)


def test_what_is_long_ago_does_not_count() -> None:
    clock = Clock()
    counted = limit(clock)
    counted.admit(1000, 60)
    clock.now = 10.5
    counted.admit(1, 1)


def test_good_changes_always_pass() -> None:
    counted = limit(Clock())
    counted.admit(1000, 60)
    counted.admit(1, 0)
