"""Is the new student better than the live one? A rule fixed beforehand, on pairs that neither was trained on. Pure.

Better means both:

1. on the held-out labels its log loss is lower, and the 95% interval of the paired bootstrap over pairs is below 0;
2. on the validation sets it does no harm: its pooled log loss is not higher by more than its interval, and its mean F1
   at its own thresholds is not lower by more than ``max_f1_drop``.

Log loss, because a calibrated probability is what the policy, the review queue and the monitor live on; F1 turns only
where a pair crosses a threshold. Too few held-out labels show nothing, and what is not shown is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from train.evaluation.metrics import CONFIDENCE, RESAMPLES, Bools, Floats, f1_along

MIN_HELD = 40
MIN_OF_EACH = 8
MAX_F1_DROP = 0.01


@dataclass(frozen=True)
class Judged:
    """The same pairs judged by both students: labels, calibrated probabilities (0 where unreadable) and verdicts."""

    labels: Bools
    old: Floats
    new: Floats
    old_matches: Bools
    new_matches: Bools


@dataclass(frozen=True)
class Difference:
    """New minus old, with its 95% interval over pairs."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """``reasons`` says for every condition what was found; ``better`` only if all hold."""

    better: bool
    reasons: list[str]
    numbers: dict[str, Any]


def log_losses(labels: Bools, probabilities: Floats) -> Floats:
    """[pairs], natural logarithm; probabilities are kept 1e-6 from 0 and 1, so that no one pair is all."""
    right = np.where(labels, probabilities, 1 - probabilities)
    return np.asarray(-np.log(np.clip(right, 1e-6, 1)), dtype=np.float64)


def loss_difference(judged: Judged, seed: int = 0) -> Difference:
    """Mean log loss of new minus old on the same pairs, percentile bootstrap over pairs."""
    gaps = log_losses(judged.labels, judged.new) - log_losses(judged.labels, judged.old)
    value = float(gaps.mean())
    if len(gaps) < 2 or float(np.ptp(gaps)) == 0.0:
        return Difference(value, value, value)
    interval = bootstrap(
        (gaps,), np.mean, vectorized=True, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, method="percentile",
        batch=200, rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return Difference(value, float(interval.low), float(interval.high))


def judge(held: Judged, validation: Mapping[str, Judged], max_f1_drop: float = MAX_F1_DROP) -> Verdict:
    """Apply the rule.

    Args:
        held: pairs with people's labels, held out of every retraining.
        validation: the sets that guard what the student could do before, by name; may be empty.
        max_f1_drop: as a share, of the mean over the sets.
    """
    reasons: list[str] = []
    matches = int(held.labels.sum())
    enough = len(held.labels) >= MIN_HELD and min(matches, len(held.labels) - matches) >= MIN_OF_EACH
    numbers: dict[str, Any] = {"held": {"pairs": len(held.labels), "matches": matches}}
    better = enough
    if not enough:
        reasons.append(
            f"not shown: {len(held.labels)} held-out labels ({matches} matches); needed are {MIN_HELD}, of each kind"
            f" {MIN_OF_EACH}"
        )
    else:
        found = loss_difference(held)
        f1 = [float(f1_along(held.labels, said)) for said in (held.old_matches, held.new_matches)]
        numbers["held"] |= {"log_loss": asdict(found), "f1_old": f1[0], "f1_new": f1[1]}
        better = found.high < 0
        reasons.append(
            f"{'better' if better else 'not better'} on held-out labels: log loss {found.value:+.4f}"
            f" [{found.low:+.4f}, {found.high:+.4f}], F1 {100 * f1[0]:.1f} to {100 * f1[1]:.1f}"
        )
    if validation:
        harmless, said, found_there = _harm(validation, max_f1_drop)
        better = better and harmless
        reasons += said
        numbers["validation"] = found_there
    return Verdict(better, reasons, numbers)


def _harm(validation: Mapping[str, Judged], max_f1_drop: float) -> tuple[bool, list[str], dict[str, Any]]:
    names = list(validation)
    pooled = Judged(
        *(np.concatenate([getattr(validation[name], part) for name in names])
          for part in ("labels", "old", "new", "old_matches", "new_matches"))
    )  # fmt: skip
    loss = loss_difference(pooled)
    sets = {
        name: [float(f1_along(each.labels, said)) for said in (each.old_matches, each.new_matches)]
        for name, each in validation.items()
    }
    drop = float(np.mean([old - new for old, new in sets.values()]))
    good_loss, good_f1 = loss.low <= 0, drop <= max_f1_drop
    said = [
        f"{'no harm' if good_loss else 'harm'} on validation: log loss {loss.value:+.4f}"
        f" [{loss.low:+.4f}, {loss.high:+.4f}]",
        f"{'no harm' if good_f1 else 'harm'} on validation: mean F1 {-100 * drop:+.1f} points"
        f" (at most {100 * max_f1_drop:.1f} lower)",
    ]
    return good_loss and good_f1, said, {"log_loss": asdict(loss), "f1": sets, "mean_f1_drop": drop}
