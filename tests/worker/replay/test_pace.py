"""The share of the time that a replay takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.replay.pace import Pace


class Time:
    """A clock that only work and sleep move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@given(
    st.floats(0.05, 1),
    st.none() | st.floats(1, 1000),
    st.lists(st.tuples(st.floats(0.001, 5), st.integers(0, 50)), min_size=1, max_size=30),
)
def test_neither_share_nor_rate_is_exceeded(share: float, rate: float | None, pieces: list[tuple[float, int]]) -> None:
    time = Time()
    pace = Pace(share, rate, time, time.sleep)
    judged = 0
    for seconds, pairs in pieces:
        pace.begin()
        time.now += seconds
        assert pace.end(pairs) == pytest.approx(seconds)
        judged += pairs
        assert pace.worked <= share * time.now * (1 + 1e-9)
        assert rate is None or judged <= rate * time.now * (1 + 1e-9)
    assert pace.worked + pace.slept == pytest.approx(time.now)


def test_without_limits_it_never_sleeps() -> None:
    time = Time()
    pace = Pace(1.0, None, time, time.sleep)
    pace.begin()
    time.now += 3
    pace.end(100)
    assert (time.now, pace.slept) == (3, 0)


@pytest.mark.parametrize(("share", "rate"), [(0, None), (1.1, None), (0.5, 0)])
def test_limits_that_are_none(share: float, rate: float | None) -> None:
    with pytest.raises(ValueError, match="needs 0 < share"):
        Pace(share, rate, lambda: 0.0, lambda seconds: None)
