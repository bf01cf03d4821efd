"""The verdict against the limits."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.policy import Costs
from schemas.upgrades import CompareSettings
from tests.worker.comparison.making import sides
from worker.comparison.cases import Aligned, Case
from worker.comparison.compare import Named, comparison

LOOSE = CompareSettings(
    min_pairs=10, min_labels=10, max_flip_share=1, max_rate_change=1, max_agreement_drop=1, max_calibration_rise=1,
    max_latency_ratio=10,
)  # fmt: skip
# 20 labelled pairs, all matches; the new side loses 4 of them to no_match.
CASES = [
    sides("match", "no_match" if number < 4 else "match", number=number, p_new=0.9, label=True) for number in range(20)
]


def outcome(cases: list[Case], limits: CompareSettings) -> dict[str, Any]:
    side = Named("side", {"tiny 1.0.0 (d)": len(cases)})
    found: dict[str, Any] = comparison(side, side, Aligned(cases), Costs(), limits)["verdict"]
    return found


def test_within_loose_limits() -> None:
    assert outcome(CASES, LOOSE)["within"]


@pytest.mark.parametrize(
    ("limit", "met", "broken"),
    [
        ("min_pairs", 20, 21),
        ("max_flip_share", 0.2, 0.19),
        ("max_rate_change", 0.2, 0.19),
        ("max_agreement_drop", 0.2, 0.19),
        ("max_latency_ratio", 2.0, 1.99),
    ],
)
def test_each_limit_binds_at_its_value(limit: str, met: float, broken: float) -> None:
    assert outcome(CASES, LOOSE.model_copy(update={limit: met}))["within"]
    told = outcome(CASES, LOOSE.model_copy(update={limit: broken}))
    assert not told["within"]
    assert set(told["beyond"]) == {limit}


def test_calibration_binds() -> None:
    cases = [sides("match", "match", number=number, p_old=0.95, p_new=0.55, label=True) for number in range(20)]
    assert outcome(cases, LOOSE)["within"]
    assert outcome(cases, LOOSE.model_copy(update={"max_calibration_rise": 0.39}))["beyond"] == ["max_calibration_rise"]


def test_too_few_labels_are_shown_and_not_judged() -> None:
    strict = LOOSE.model_copy(update={"min_labels": 21, "max_agreement_drop": 0.0})
    told = outcome(CASES, strict)
    assert told["within"]
    assert {check["setting"] for check in told["checks"] if check["status"] == "not judged"} == {
        "max_agreement_drop", "max_calibration_rise",
    }  # fmt: skip


def test_nothing_to_compare_is_no_pass() -> None:
    assert outcome([], LOOSE)["beyond"] == ["min_pairs"]
