"""Whether the new side stays within the limits that the settings state (`compare.*`). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from schemas.upgrades import CompareSettings

Status = Literal["within", "beyond", "not judged"]


@dataclass(frozen=True)
class Check:
    """One limit: what was measured, what is allowed, and what came of it."""

    setting: str
    what: str
    value: float | None
    limit: float
    status: Status
    note: str = ""


def checks(found: Mapping[str, Any], limits: CompareSettings) -> Iterator[Check]:
    """Every limit looked at, on the measured values themselves (the intervals stand beside them on the page)."""
    pairs, labelled = found["pairs"]["compared"], found["agreement"]["labelled"]
    yield _least("min_pairs", "pairs judged by both", pairs, limits.min_pairs)
    yield _most("max_flip_share", "share of verdicts that changed", found["flips"]["share"]["share"],
                limits.max_flip_share)  # fmt: skip
    for verdict, rate in found["rates"].items():
        change = None if rate["change"] is None else abs(rate["change"])
        yield _most("max_rate_change", f"change of the share of {verdict}", change, limits.max_rate_change)
    few = f"{labelled} labelled pairs, fewer than compare.min_labels = {limits.min_labels}"
    drop = None if found["agreement"]["change"] is None else 0.0 - found["agreement"]["change"]
    p_value = found["agreement"]["p_value"]
    test = "" if p_value is None else f"McNemar p = {p_value:.3g}"
    yield _most("max_agreement_drop", "drop of agreement with human labels", drop, limits.max_agreement_drop,
                few if labelled < limits.min_labels else None, test)  # fmt: skip
    old, new = found["calibration"]["old"]["ece"], found["calibration"]["new"]["ece"]
    rise = None if old is None or new is None else new - old
    scored = found["calibration"]["labelled"]
    yield _most("max_calibration_rise", "rise of the calibration error", rise, limits.max_calibration_rise,
                few if scored < limits.min_labels else None)  # fmt: skip
    yield _most("max_latency_ratio", "median time a pair, new over old", found["latency"]["ratio"],
                limits.max_latency_ratio)  # fmt: skip


def verdict(done: list[Check]) -> dict[str, Any]:
    """The whole: within only if nothing is beyond."""
    # One setting may be the limit of several measures.
    beyond = list(dict.fromkeys(check.setting for check in done if check.status == "beyond"))
    return {"within": not beyond, "beyond": beyond, "checks": [asdict(check) for check in done]}


def _least(setting: str, what: str, value: float, limit: float) -> Check:
    return Check(setting, what, value, limit, "within" if value >= limit else "beyond")


def _most(
    setting: str, what: str, value: float | None, limit: float, not_judged: str | None = None, note: str = ""
) -> Check:
    if value is None or not_judged is not None:
        return Check(setting, what, value, limit, "not judged", not_judged or "not measured on both sides")
    # Shares are sums of 1/n: a share that is the limit itself must not fail by its last bit.
    return Check(setting, what, value, limit, "within" if value <= limit + 1e-12 else "beyond", note)
