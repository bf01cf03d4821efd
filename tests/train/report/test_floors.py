from __future__ import annotations

import pytest
from pydantic import ValidationError

from train.report.floors import Floor, judge_floor, look_up, read_floors
from train.report.published import published_of, read_published

REPORT = {
    "sets": {"a": {"f1": 0.9, "f1_low": 0.85, "f1_high": 0.95, "n": 100}},
    "ece": 0.02,
    "limit": 0.03,
    "suite": {"changed": {"n": 50, "count": 1, "rate": 0.02, "low": 0.0, "high": 0.1}},
    "nothing": None,
}


def floor(value: str, **bound: float | str) -> Floor:
    return Floor.model_validate({"title": "t", "value": value, **bound})


def test_values_with_their_intervals() -> None:
    row = judge_floor(floor("sets.a.f1", at_least=0.88), REPORT)
    assert (row["status"], row["certain"], row["n"], row["low"]) == ("met", False, 100, 0.85)
    assert judge_floor(floor("sets.a.f1", at_least=0.80), REPORT)["certain"] is True
    assert judge_floor(floor("sets.a.f1", at_least=0.96), REPORT)["status"] == "not met"
    assert judge_floor(floor("sets.a.f1", above=0.9), REPORT)["status"] == "not met"


def test_a_bound_may_be_a_number_of_the_report() -> None:
    row = judge_floor(floor("ece", at_most="limit"), REPORT)
    assert (row["status"], row["bound"], row["certain"]) == ("met", 0.03, None)
    assert judge_floor(floor("ece", at_most="no.limit"), REPORT)["status"] == "not measured"


def test_rates_of_suites_carry_their_own_n() -> None:
    row = judge_floor(floor("suite.changed", at_most=0.05), REPORT)
    assert (row["value"], row["n"], row["status"], row["certain"]) == (0.02, 50, "met", False)


def test_what_is_not_there_is_not_measured() -> None:
    for path in ("nothing", "nothing.more", "sets.b.f1"):
        assert look_up(REPORT, path) is None
        assert judge_floor(floor(path, at_least=0.5), REPORT)["status"] == "not measured"


def test_a_floor_has_one_bound() -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        floor("ece", at_least=0.1, at_most=0.2)


def test_the_committed_tables() -> None:
    floors = {row.value: row.at_least for row in read_floors()}
    assert floors["sets.abt-buy.student.f1"] == 0.90
    assert floors["holdout.sets.amazon-google.f1"] == 0.56
    figures = read_published()
    assert all(row.source for row in figures)
    (ditto,) = (row for row in published_of("abt-buy", left_out=False) if row.model.startswith("Ditto"))
    assert (ditto.f1, ditto.setting) == (0.8933, "in-domain")
    assert "2004.00584" in ditto.source
    assert {row.setting for row in published_of("abt-buy", left_out=True)} == {"leave-one-set-out"}
