"""The switch: a running worker follows the registry, and changes who judges between two batches.

`turn` is asked at every batch boundary and never waits. A new deployment is noticed there; its bundles are loaded and
tested by a thread in the background while the present ones serve; when they are ready, the next `turn` hands out the
new seats. What cannot be loaded, or fails its self-test, is refused: the worker stays with what it serves, says so in
the log and by a gauge, and tries again only when a new deployment comes (or at its next start).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from schemas.events import UnknownMajorVersion
from worker.registry.heartbeat import Pulse, Serving
from worker.registry.opening import Open, Opened, Terms, load
from worker.registry.state import Numbered
from worker.registry.topic import EntryReader
from worker.stream.backoff import Log
from worker.stream.bench import Seats
from worker.stream.metrics import DEPLOYMENT, DEPLOYMENT_REFUSED, REGISTRY_HALTED, SWITCHES, Metrics
from worker.student.judge import Judge

# Seconds between two looks at the registry: a look costs microseconds, a batch much longer.
LOOK_EVERY = 0.2


class Switch:
    """Follows the registry for one worker. Use it from the loop's thread only."""

    def __init__(
        self, reader: EntryReader, opened: Opened, terms: Terms, open_bundle: Open, pulse: Pulse, slot: str,
        clock: Callable[[], float], now: Callable[[], datetime], metrics: Metrics, log: Log,
    ) -> None:  # fmt: skip
        """`clock` is monotonic, in seconds; `now` the wall clock in UTC."""
        self.seats = opened.seats
        """Who judges at present."""
        self._reader = reader
        self._refused, self._refusal = opened.refused, opened.refusal
        self._terms = terms
        self._open = open_bundle
        self._pulse = pulse
        self._slot = slot
        self._clock = clock
        self._now = now
        self._metrics = metrics
        self._log = log
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bundles")
        self._loading: tuple[Numbered, Future[Seats]] | None = None
        self._halted = False
        self._next = float("-inf")
        if opened.refused:
            self._say_refused()
        self._metrics.set(DEPLOYMENT, self.seats.deployment)

    def turn(self) -> Seats | None:
        """Who is to judge from now on, if that has changed; call it between two batches."""
        if self._clock() < self._next:
            return None
        self._next = self._clock() + LOOK_EVERY
        self._look()
        changed = self._finished() if self._loading is not None else None
        if self._loading is None:
            self._begin()
        self._pulse.say(self._serving())
        return changed

    def close(self) -> None:
        """Stop following. A bundle that is being loaded is finished by its thread and dropped."""
        self._background.shutdown(wait=False, cancel_futures=True)
        self._pulse.stop()
        self._reader.close()

    def _look(self) -> None:
        if self._halted:
            return
        unreadable = len(self._reader.unreadable)
        try:
            self._reader.look()
        except UnknownMajorVersion as unknown:
            self._halted = True
            self._metrics.set(REGISTRY_HALTED, 1)
            self._log.error("registry_halted", detail=str(unknown))
        for text in self._reader.unreadable[unreadable:]:
            self._log.error("registry_entry_unreadable", detail=text)

    def _begin(self) -> None:
        history = self._reader.state.history
        if not history or history[-1].number in (self.seats.deployment, self._refused):
            return
        wanted = history[-1]
        self._log.info(
            "deployment_coming", number=wanted.number, action=wanted.deployment.action, mode=wanted.deployment.mode,
            live=wanted.deployment.live.digest[:12],
        )  # fmt: skip
        held = self._held()
        # The thread gets a state of its own: this one goes on changing.
        state = self._reader.state.copy()

        def prepare() -> Seats:
            return self._terms.seats(wanted, load(state, wanted.deployment, held, self._open))

        self._loading = (wanted, self._background.submit(prepare))

    def _finished(self) -> Seats | None:
        if self._loading is None or not self._loading[1].done():
            return None
        (wanted, future), self._loading = self._loading, None
        error = future.exception()
        if error is not None:
            self._refused, self._refusal = wanted.number, str(error) or type(error).__name__
            self._metrics.add(SWITCHES, result="refused")
            self._say_refused()
            return None
        self.seats = future.result()
        self._refused, self._refusal = 0, ""
        self._metrics.add(SWITCHES, result="switched")
        self._metrics.set(DEPLOYMENT, wanted.number)
        self._metrics.set(DEPLOYMENT_REFUSED, 0)
        live, candidate = self.seats.live.basis, self.seats.candidate
        self._log.info(
            "deployment_in_force", number=wanted.number, action=wanted.deployment.action,
            bundle=f"{live.bundle.name} {live.bundle.version}", digest=live.bundle.digest[:12],
            policy=live.policy.version, mode=self.seats.mode, share=self.seats.share,
            candidate=candidate.basis.bundle.digest[:12] if candidate is not None else None,
        )  # fmt: skip
        return self.seats

    def _held(self) -> dict[str, Judge]:
        seats = [self.seats.live] if self.seats.candidate is None else [self.seats.live, self.seats.candidate]
        return {seat.basis.bundle.digest: seat.judge for seat in seats}

    def _say_refused(self) -> None:
        self._metrics.set(DEPLOYMENT_REFUSED, self._refused)
        self._log.error(
            "deployment_refused", number=self._refused, reason=self._refusal, serving=self.seats.deployment,
            digest=self.seats.live.basis.bundle.digest[:12],
        )  # fmt: skip

    def _serving(self) -> Serving:
        seats = self.seats
        return Serving(
            slot=self._slot, deployment=seats.deployment, live=seats.live.basis.bundle,
            candidate=seats.candidate.basis.bundle if seats.candidate is not None else None,
            mode=seats.mode, share=seats.share, refused=self._refused, refusal=self._refusal,
            loading=self._loading is not None, at=self._now(),
        )  # fmt: skip
