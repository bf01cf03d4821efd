"""How gently a replay works: between two pieces of work it sleeps, so that a live worker keeps the rest of the time.

While it judges, the operating system shares the cores among all processes, so beside a worker of as many threads a
replay gets about half of them; a share is kept of the *time*, so that the live worker loses that share at most.
"""

from __future__ import annotations

from collections.abc import Callable


class Pace:
    """`share` of the time is work (0 to 1], at no more than `rate` pairs per second. Times are in seconds."""

    def __init__(
        self, share: float, rate: float | None, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        if not 0 < share <= 1 or (rate is not None and rate <= 0):
            raise ValueError(f"needs 0 < share <= 1 and a positive rate, not {share} and {rate}")
        self._share = share
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self.worked = 0.0
        self.slept = 0.0

    def begin(self) -> None:
        """A piece of work begins."""
        self._began = self._clock()

    def end(self, pairs: int = 0) -> float:
        """A piece of work that judged so many pairs has ended: sleep what is due. Returns the seconds it took.

        A piece is judged by itself: time that was lost before (a suspended machine, say) is not made up for.
        """
        took = max(0.0, self._clock() - self._began)
        self.worked += took
        due = took * (1 - self._share) / self._share
        if self._rate is not None:
            due = max(due, pairs / self._rate - took)
        if due > 0:
            self._sleep(due)
            self.slept += due
        return took
