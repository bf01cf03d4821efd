from __future__ import annotations

import threading

import pytest

from worker.stream.bounded import CallLost, bounded


def test_it_returns_when_the_call_does() -> None:
    done: list[int] = []
    bounded(lambda: done.append(1), 60, "a call")
    assert done == [1]


def test_what_the_call_raises_is_raised() -> None:
    def call() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        bounded(call, 60, "a call")


def test_a_call_that_does_not_come_back_is_given_up() -> None:
    never = threading.Event()
    try:
        with pytest.raises(CallLost, match="a call has not come back within 0 s"):
            bounded(never.wait, 0.01, "a call")
    finally:
        never.set()
