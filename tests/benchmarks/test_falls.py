"""How much a rate falls."""

from __future__ import annotations

import pytest

from benchmarks.falls import fall


def test_the_fall_is_a_share_of_the_rate_alone() -> None:
    found = fall([10.0, 12.0], [8.8, 8.8], 0.25)
    assert found["fall"] == pytest.approx(0.2)
    assert found["within"]
    assert found["without"] == {"mean": 11.0, "least": 10.0, "largest": 12.0, "windows": [10.0, 12.0]}
    assert not fall([10.0], [7.0], 0.25)["within"]


@pytest.mark.parametrize(("off", "on"), [([], [1.0]), ([1.0], []), ([0.0], [1.0])])
def test_windows_that_say_nothing(off: list[float], on: list[float]) -> None:
    with pytest.raises(ValueError, match="needs windows"):
        fall(off, on, 0.5)
