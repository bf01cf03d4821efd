from __future__ import annotations

import pytest

from worker.stream.backoff import Patience
from worker.stream.errors import Stopping, Unavailable
from worker.stream.metrics import WAIT_SECONDS, WAITING, Metrics


class World:
    """A clock that waiting moves, and a log that remembers."""

    def __init__(self, ends_after: float = 1e9) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.said: list[tuple[str, str]] = []
        self.metrics = Metrics()
        self._ends_after = ends_after
        self.patience = Patience(self.pause, lambda: self.now, self.metrics, self, 0.2, 5.0)

    def pause(self, seconds: float) -> None:
        assert self.metrics.value(WAITING, system="redis") == 1
        self.waits.append(seconds)
        self.now += seconds
        if self.now > self._ends_after:
            raise Stopping

    def info(self, event: str, **fields: object) -> None:
        self.said.append((event, str(fields["system"])))

    warning = error = info


def gone(times: int) -> list[Unavailable]:
    return [Unavailable("redis", "connection refused")] * times


def test_it_waits_says_so_and_resumes() -> None:
    world, left = World(), gone(8)

    def step() -> str:
        if left:
            raise left.pop()
        return "done"

    assert world.patience.call(step) == "done"
    assert len(world.waits) == 8
    assert world.waits[-1] > world.waits[0]
    assert max(world.waits) <= 5.2
    assert world.said == [("waiting", "redis"), ("resumed", "redis")]
    assert world.metrics.value(WAITING, system="redis") == 0
    assert world.metrics.value(WAIT_SECONDS, system="redis") == pytest.approx(sum(world.waits))


def test_what_is_there_is_not_waited_for() -> None:
    world = World()
    assert world.patience.call(lambda: 3) == 3
    assert world.said == []


def test_other_failures_pass() -> None:
    def step() -> None:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        World().patience.call(step)


def test_what_ends_the_wait_comes_out() -> None:
    world = World(ends_after=3)

    def step() -> None:
        raise Unavailable("redis", "still gone")

    with pytest.raises(Stopping):
        world.patience.call(step)
    assert world.metrics.value(WAITING, system="redis") == 0
    assert ("resumed", "redis") not in world.said
