"""The limit that keeps dead letters from running away: past it the fault is ours or the feed's, not the events'."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from schemas.sections import StreamSettings
from worker.stream.errors import StreamError

# A share says nothing about a handful of changes.
SMALLEST_SAMPLE = 100


class TooManyDeadLetters(StreamError):
    """The worker stops rather than move a whole feed aside. Exit code 4; nothing of the last batch was committed."""


class DeadLetterLimit:
    """Counts changes and dead letters over a sliding window. `clock` is monotonic, in seconds."""

    def __init__(self, settings: StreamSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._seen: deque[tuple[float, int, int]] = deque()

    def admit(self, changes: int, letters: int) -> None:
        """Count a batch before it is committed. Raises TooManyDeadLetters."""
        now = self._clock()
        self._seen.append((now, changes, letters))
        while self._seen and now - self._seen[0][0] > self._settings.dead_letter_window_s:
            self._seen.popleft()
        all_changes = sum(entry[1] for entry in self._seen)
        all_letters = sum(entry[2] for entry in self._seen)
        share = all_letters / all_changes if all_changes >= SMALLEST_SAMPLE else 0.0
        if letters and (
            all_letters > self._settings.dead_letter_max_count or share > self._settings.dead_letter_max_share
        ):
            self._seen.pop()
            raise TooManyDeadLetters(
                f"{all_letters} of the last {all_changes} changes cannot be used (limits: "
                f"stream.dead_letter_max_count {self._settings.dead_letter_max_count}, "
                f"stream.dead_letter_max_share {self._settings.dead_letter_max_share}): look at the feed first"
            )
