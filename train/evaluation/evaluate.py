"""Judge the pairs of a file with a bundle and report how well it does.

The left offer is the query, as the pair file has it; pairs of one query are judged together, as the worker does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.bundle import BundleManifest
from schemas.policy import Policy, decide
from schemas.rationale import Rationale
from train.evaluation.metrics import (
    Floats,
    average_precision,
    brier,
    expected_calibration_error,
    f1_interval,
    match_counts,
)
from train.pairs.pairs import Pair
from worker.student.judge import Judge, Judgement

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Scored:
    """Judgements of pairs, in the order of the pairs, and the seconds that judging took."""

    pairs: Sequence[Pair]
    judgements: list[Judgement | None]
    seconds: float

    def logits(self) -> Floats:
        """[pairs]; NaN where the student gave no readable answer."""
        return np.array([np.nan if item is None else item.logit for item in self.judgements], dtype=np.float64)

    def probabilities(self) -> Floats:
        """[pairs], calibrated; NaN where the student gave no readable answer."""
        return np.array([np.nan if item is None else item.probability for item in self.judgements], dtype=np.float64)

    def labels(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.array([pair.label == 1 for pair in self.pairs], dtype=np.bool_)


def judge_pairs(
    judge: Judge, pairs: Sequence[Pair], *, swap: bool = False, progress: Progress = lambda _: None
) -> Scored:
    """Judge all pairs, grouped by query.

    ``swap`` makes the right offer the query; ``progress`` is told the size of each group when it is done.
    """
    groups: dict[str, list[int]] = {}
    for number, pair in enumerate(pairs):
        query = pair.right if swap else pair.left
        groups.setdefault(f"{query.key}\0{query.digest()}", []).append(number)
    judgements: list[Judgement | None] = [None] * len(pairs)
    started = time.perf_counter()
    for members in groups.values():
        sides = [(pairs[n].right, pairs[n].left) if swap else (pairs[n].left, pairs[n].right) for n in members]
        for number, judgement in zip(members, judge.judge(sides[0][0], [other for _, other in sides]), strict=True):
            judgements[number] = judgement if is_readable(judgement) else None
        progress(len(members))
    return Scored(pairs, judgements, time.perf_counter() - started)


def is_readable(judgement: Judgement) -> bool:
    """Whether the answer can be read: a finite logit and five attribute verdicts that are distributions."""
    sums = [verdict.p_same + verdict.p_different + verdict.p_unknown for verdict in judgement.attributes.values()]
    return bool(np.isfinite(judgement.logit)) and len(sums) == 5 and all(abs(total - 1) < 1e-3 for total in sums)


def report(scored: Scored, manifest: BundleManifest, policy: Policy, threshold: float | None = None) -> dict[str, Any]:
    """The report of `samesku evaluate`, as one JSON-ready object; probabilities, shares and F1 are between 0 and 1.

    A pair without a readable answer counts as a non-match of probability 0. ``review_rate`` and ``contradiction_rate``
    are the shares of pairs that the policy sends to people, and of predicted matches with a ``different`` attribute.
    """
    resolved = policy.resolved(manifest.thresholds)
    cut = resolved.match_threshold if threshold is None else threshold
    assert cut is not None
    raw = scored.probabilities()
    labels, probabilities = scored.labels(), np.nan_to_num(raw, nan=0.0)
    predicted = probabilities >= cut
    counts = match_counts(labels, predicted)
    low, high = f1_interval(labels, predicted)
    rulings = [decide(item.probability, item.attributes, resolved) for item in scored.judgements if item is not None]
    contradicted = [
        bool(_as_match(item).contradictions())
        for item in scored.judgements
        if item is not None and item.probability >= cut
    ]
    pairs = len(scored.pairs)
    return {
        "pairs": pairs,
        "positives": int(labels.sum()),
        "threshold": round(float(cut), 6),
        "precision": round(counts.precision, 4),
        "recall": round(counts.recall, 4),
        "f1": round(counts.f1, 4),
        "f1_low": round(low, 4),
        "f1_high": round(high, 4),
        "average_precision": round(average_precision(labels, probabilities), 4),
        "ece": round(expected_calibration_error(labels, probabilities), 4),
        "brier": round(brier(labels, probabilities), 4),
        "parse_rate": round(float(np.isfinite(raw).mean()), 6) if pairs else 1.0,
        "review_rate": round(sum(ruling.verdict == "review" for ruling in rulings) / pairs, 4) if pairs else 0.0,
        "contradiction_rate": round(sum(contradicted) / len(contradicted), 4) if contradicted else 0.0,
        "pairs_per_second": round(pairs / scored.seconds, 2) if scored.seconds > 0 else 0.0,
        "bundle": {
            "name": manifest.name,
            "version": manifest.version,
            "digest": manifest.digest(),
            "precision": manifest.precision,
        },
        "trained_on": {"digest": manifest.training_digest, "sets": manifest.trained_on},
    }


def swap_report(straight: Scored, swapped: Scored, threshold: float) -> dict[str, float]:
    """How often exchanging the two sides changes the verdict, and by how much the probability moves on average."""
    first, second = straight.probabilities(), swapped.probabilities()
    return {
        "flip_rate": round(float(np.mean((first >= threshold) != (second >= threshold))), 4),
        "mean_probability_move": round(float(np.nanmean(np.abs(first - second))), 4),
    }


def _as_match(judgement: Judgement) -> Rationale:
    return Rationale(attributes=judgement.attributes, answer="same")
