from __future__ import annotations

import pytest

from train.evaluation.suites.rates import interval, rate, target, worst


def test_wilsons_interval() -> None:
    """Brown, Cai and DasGupta 2001 have Wilson's 95% interval of 0 of 10 as 0 to 0.2775."""
    assert interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert interval(0, 0) == (0.0, 1.0)


def test_a_rate_says_what_it_is_of() -> None:
    assert rate([True, False, False, True]) == {"n": 4, "count": 2, "rate": 0.5, "low": 0.15, "high": 0.85}
    assert rate([])["rate"] is None


def test_a_target_is_met_with_confidence_by_its_bound() -> None:
    few, many = rate([True] * 9 + [False]), rate([True] * 900 + [False] * 100)
    assert target(few, "at least", 0.8) == {
        "side": "at least", "bound": 0.8, "met": True, "met_with_confidence": False
    }  # fmt: skip
    assert target(many, "at least", 0.8)["met_with_confidence"]
    assert not target(many, "at most", 0.8)["met"]
    assert target(rate([False] * 1_000), "at most", 0.01)["met_with_confidence"]
    assert not target(rate([]), "at least", 0.0)["met"]


def test_the_worst_kind() -> None:
    kinds = {"a": rate([True, False]), "b": rate([True]), "c": rate([])}
    assert worst(kinds, "at least") == "a"
    assert worst(kinds, "at most") == "b"
    assert worst({"a": {"x": kinds["a"]}, "b": {"x": kinds["b"]}}, "at most", "x") == "b"
    assert worst({"c": kinds["c"]}, "at least") is None
