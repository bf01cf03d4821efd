"""The policy's thresholds from stated targets: precision of automatic matches, NPV of automatic rejections, review.

Automatic matches are the pairs at or above ``review_high``, automatic rejections those below ``review_low``, people see
what lies between (`schemas.policy.decide`). The cuts are those that decide most pairs while the one-sided 95% lower
bound of what is right meets the target, on pooled validation with each set weighing the same (a catalogue is as likely
to be like one as like another, whatever their sizes): weighted pairs count as their effective number. Taking the
boldest cut that passes makes the 5% nominal: in simulations of calibrated scores the true precision was below the
target in about one of twenty choices. What the same rule comes to on a set that had no part in it is in
`train.calibration.report`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.bundle import Thresholds
from train.calibration.bounds import METHOD, effective_pairs, lower_bound, upper_bound
from train.calibration.fit import DECIMALS
from train.evaluation.metrics import Bools, Floats

# Sums of shares are this far from what they should be, at most.
ROUNDING = 1e-12

Calibrated = Mapping[str, tuple[Floats, Bools]]
"""Set name to calibrated probabilities [pairs] and labels [pairs]."""


@dataclass(frozen=True)
class Targets:
    """What the policy shall keep; None: no such target.

    Attributes:
        precision: least share of right ones among automatic matches.
        npv: least share of right ones among automatic rejections (negative predictive value).
        review_budget: largest share of all pairs that people see.

    Raises:
        ValueError: a value is not strictly between 0 and 1 (a budget may be 0).
    """

    precision: float | None = None
    npv: float | None = None
    review_budget: float | None = None

    def __post_init__(self) -> None:
        for name in ("precision", "npv"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ValueError(f"target {name} must be between 0 and 1 (no sample shows more), not {value}")
        if self.review_budget is not None and not 0 <= self.review_budget < 1:
            raise ValueError(f"review budget must be at least 0 and below 1, not {self.review_budget}")

    def any(self) -> bool:
        return any(value is not None for value in (self.precision, self.npv, self.review_budget))


@dataclass(frozen=True)
class Chosen:
    """Thresholds, and for each target what it came to (JSON-ready; see `outcome` and `choose`)."""

    thresholds: Thresholds
    report: dict[str, Any]


class _Tails:
    """What lies below and above every cut, from one sort; all arrays are [cuts], the cuts ascending.

    ``share``s are of all pairs, ``bound``s the lower bounds of NPV (below) and precision (above), ``wrong`` the shares
    of all pairs that are decided wrongly. ``pairs`` is the effective number of all, ``middle`` the place of ``match``.
    """

    def __init__(self, calibrated: Calibrated, match: float) -> None:
        probabilities, labels, weights = _pooled(calibrated)
        order = np.argsort(probabilities, kind="stable")
        self.cuts = np.unique(np.concatenate([[0.0, match, 1.0], np.round(probabilities, DECIMALS)]))
        place = np.searchsorted(probabilities[order], self.cuts)
        self.pairs = float(effective_pairs(weights.sum(), (weights**2).sum()))
        self.share_below, self.wrong_below, self.bound_below = _side(weights[order], labels[order], place)
        # From the other end: a difference of sums would leave rounding where nothing is left.
        back = order[::-1]
        self.share_above, self.wrong_above, self.bound_above = _side(weights[back], ~labels[back], len(back) - place)

        self.middle = int(np.searchsorted(self.cuts, match))


def _side(weights: Floats, wrong: Bools, taken: npt.NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Share, share that is wrong, and lower bound of what is right, of the first ``taken`` [cuts] pairs."""
    share, square, errors = (
        np.concatenate([[0.0], np.cumsum(values)])[taken] for values in (weights, weights**2, weights * wrong)
    )
    pairs = effective_pairs(share, square)
    right = np.divide(share - errors, share, out=np.zeros_like(share), where=share > 0)
    return share, errors, lower_bound(right * pairs, pairs)


def _pooled(calibrated: Calibrated) -> tuple[Floats, Bools, Floats]:
    """Probabilities, labels and weights [pairs]; the weights add up to 1, each set's to the same."""
    probabilities = np.concatenate([values for values, _ in calibrated.values()])
    labels = np.concatenate([marks for _, marks in calibrated.values()])
    each = [np.full(len(marks), 1 / len(marks) / len(calibrated)) for _, marks in calibrated.values()]
    return probabilities, labels, np.concatenate(each)


def choose(calibrated: Calibrated, match: float, targets: Targets) -> Chosen:
    """The thresholds that keep the targets, or come nearest.

    ``match`` is the threshold of best F1, which stays wherever the other two leave it between them. A target that no
    cut reaches gets the cut whose lower bound is highest, and is reported as not met. Where precision and NPV need more
    review than the budget, they come first; ``within_budget`` in the report then says what the budget allows. Without
    a target for matches (rejections), all pairs from (below) ``match`` on are decided. A budget alone is spent where
    most errors are.

    Raises:
        ValueError: there is no target.
    """
    if not targets.any():
        raise ValueError("there is no target to choose thresholds from")
    tails = _Tails(calibrated, match)
    low = high = middle = tails.middle
    if targets.precision is not None:
        met = np.flatnonzero(tails.bound_above >= targets.precision)
        high = int(met[0] if len(met) else tails.bound_above.argmax())
    if targets.npv is not None:
        met = np.flatnonzero(tails.bound_below >= targets.npv)
        low = int(met[-1] if len(met) else tails.bound_below.argmax())
    if targets.precision is None and targets.npv is None:
        low, high = _within_budget(tails, targets, 0, len(tails.cuts) - 1)
    if low > high:  # both are met with room to spare: one threshold between them decides every pair
        low = high = min(max(middle, high), low)
    thresholds = _thresholds(tails, low, high, match)
    report = outcome(calibrated, thresholds, targets)
    if not report.get("review_budget", {"met": True})["met"]:
        within = _thresholds(tails, *_within_budget(tails, targets, low, high), match)
        report["within_budget"] = outcome(calibrated, within, targets)
    return Chosen(thresholds, report)


def _within_budget(tails: _Tails, targets: Targets, low: int, high: int) -> tuple[int, int]:
    """The bounds inside low..high whose review fits the budget and that miss the targets least, or, without targets,
    that leave the fewest errors."""
    pivot = min(max(tails.middle, low), high)
    highs, lows = np.arange(pivot, high + 1), np.arange(low, pivot + 1)
    # For each upper bound the lowest lower one: more review never makes a rejection worse.
    room = _largest_share(targets.review_budget or 0.0, tails.pairs)
    needed = 1 - tails.share_above[highs] - room
    first = np.searchsorted(tails.share_below[lows], needed - ROUNDING)
    fits = first < len(lows)  # the pivot alone always does: no band
    highs, chosen = highs[fits], lows[first[fits]]
    if targets.precision is None and targets.npv is None:
        worth = -tails.wrong_above[highs] - tails.wrong_below[chosen]
    else:
        spare = [np.full(len(highs), np.inf)]
        spare += [tails.bound_above[highs] - targets.precision] if targets.precision is not None else []
        spare += [tails.bound_below[chosen] - targets.npv] if targets.npv is not None else []
        worth = np.min(spare, axis=0)
    best = int(worth.argmax())
    return int(chosen[best]), int(highs[best])


def _largest_share(budget: float, pairs: float) -> float:
    """The largest share of so many pairs whose upper bound is within the budget; 0 if none is."""
    shares = np.arange(int(budget * pairs) + 1) / pairs
    fitting = shares[upper_bound(shares * pairs, pairs) <= budget]
    return float(fitting[-1]) if len(fitting) else 0.0


def _thresholds(tails: _Tails, low: int, high: int, match: float) -> Thresholds:
    bounds = float(tails.cuts[low]), float(tails.cuts[high])
    return Thresholds(match=min(max(match, bounds[0]), bounds[1]), review_low=bounds[0], review_high=bounds[1])


def outcome(calibrated: Calibrated, thresholds: Thresholds, targets: Targets) -> dict[str, Any]:
    """What thresholds come to on pairs, JSON-ready.

    ``auto_match`` and ``auto_reject`` have ``share`` (of all pairs), ``value`` (what is right) and ``lower_bound``,
    with each set weighing the same; ``pairs``, ``right`` and ``lower_bound_plain`` are plain counts and their exact
    bound. ``review`` has its share and upper bound. ``precision``, ``npv`` and ``review_budget``, of those that are
    targets, say whether the bound meets it. Bounds are rounded to the side of doubt.
    """
    probabilities, labels, weights = _pooled(calibrated)
    low = thresholds.match if thresholds.review_low is None else thresholds.review_low
    high = thresholds.match if thresholds.review_high is None else thresholds.review_high
    matched, rejected = probabilities >= high, probabilities < low
    reviewed = ~matched & ~rejected
    share = float(weights[reviewed].sum())
    pairs = float(effective_pairs(weights.sum(), (weights**2).sum()))
    most = float(upper_bound(share * pairs, pairs)) if reviewed.any() else 0.0
    right_matches, right_rejections = _bound(matched, labels, weights), _bound(rejected, ~labels, weights)
    report: dict[str, Any] = {
        "thresholds": thresholds.model_dump(mode="json"),
        "bound": METHOD,
        "auto_match": _decided(matched, labels, weights),
        "auto_reject": _decided(rejected, ~labels, weights),
        "review": {"share": round(share, 4), "upper_bound": _up(most), "pairs": int(reviewed.sum())},
    }
    for name, bound, target in (
        ("precision", right_matches, targets.precision),
        ("npv", right_rejections, targets.npv),
    ):
        if target is not None:
            report[name] = {"target": target, "reached": _down(bound), "met": bound >= target}
    if (budget := targets.review_budget) is not None:
        report["review_budget"] = {"target": budget, "reached": _up(most), "met": most <= budget}
    return report


def _down(bound: float) -> float:
    return math.floor(bound * 1e4) / 1e4


def _up(bound: float) -> float:
    return math.ceil(bound * 1e4) / 1e4


def _bound(inside: Bools, right: Bools, weights: Floats) -> float:
    """The lower bound of the weighted share of what is right inside."""
    weight, square = weights[inside].sum(), (weights[inside] ** 2).sum()
    pairs = effective_pairs(weight, square)
    return float(lower_bound(weights[inside & right].sum() / weight * pairs, pairs)) if weight else 0.0


def _decided(inside: Bools, right: Bools, weights: Floats) -> dict[str, Any]:
    weight, square = float(weights[inside].sum()), float((weights[inside] ** 2).sum())
    value = float(weights[inside & right].sum()) / weight if weight else 0.0
    pairs, hits = int(inside.sum()), int((inside & right).sum())
    return {
        "share": round(weight, 4),
        "value": round(value, 4),
        "lower_bound": _down(_bound(inside, right, weights)),
        "effective_pairs": round(float(effective_pairs(weight, square)), 1),
        "pairs": pairs,
        "right": hits,
        "lower_bound_plain": _down(float(lower_bound(hits, pairs))),
    }
