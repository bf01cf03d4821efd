"""Waiting for a system that is gone, without losing the group membership.

Intent: an outage is nobody's fault in the batch, so the same step is simply done again until it works. While
waiting the consumer is kept alive by `pause_for` (the loop's: it polls with every partition paused), the log says so
once at the beginning and once at the end, and a gauge stands at 1. Non-goal: telling an outage from a bad event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential, wait_random

from worker.stream.errors import Unavailable
from worker.stream.metrics import WAIT_SECONDS, WAITING, Metrics

T = TypeVar("T")


class Log(Protocol):
    """The part of a structlog logger that is used."""

    def info(self, event: str, **fields: object) -> object: ...

    def warning(self, event: str, **fields: object) -> object: ...

    def error(self, event: str, **fields: object) -> object: ...


class Patience:
    """Does a step again until its system is back.

    Waits grow from `first_wait` to `longest_wait` seconds. `pause_for(seconds)` must keep the consumer alive and may
    raise (`Stopping`, or what ended the batch's ownership): whatever it raises ends the wait. `clock` is a monotonic
    clock in seconds.
    """

    def __init__(
        self,
        pause_for: Callable[[float], None],
        clock: Callable[[], float],
        metrics: Metrics,
        log: Log,
        first_wait: float,
        longest_wait: float,
    ) -> None:
        self._pause_for = pause_for
        self._clock = clock
        self._metrics = metrics
        self._log = log
        # Jitter, so that a system that is back does not see all workers at the same instant.
        self._wait = wait_exponential(multiplier=first_wait, max=longest_wait) + wait_random(0, first_wait)

    def call(self, step: Callable[[], T]) -> T:
        """Return what `step` returns, once it no longer raises `Unavailable`; other exceptions pass."""
        waiting: dict[str, float] = {}

        def before_sleep(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome is not None else None
            if isinstance(error, Unavailable) and error.system not in waiting:
                waiting[error.system] = self._clock()
                self._metrics.set(WAITING, 1, system=error.system)
                self._log.warning("waiting", system=error.system, detail=error.detail)

        retrying = Retrying(
            retry=retry_if_exception_type(Unavailable),
            wait=self._wait,
            sleep=self._pause_for,
            before_sleep=before_sleep,
            reraise=True,
        )
        try:
            result = retrying(step)
        finally:
            for system, since in waiting.items():
                self._metrics.set(WAITING, 0, system=system)
                self._metrics.add(WAIT_SECONDS, max(0.0, self._clock() - since), system=system)
        for system, since in waiting.items():
            self._log.info("resumed", system=system, waited_seconds=round(self._clock() - since, 1))
        return result
