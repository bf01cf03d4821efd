"""Does exchanging the two offers change the verdict? At most 1% may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from train.evaluation.suites.bench import Bench, balanced, sides_of
from train.evaluation.suites.rates import rate, target
from train.pairs.pairs import Pair

CEILING = 0.01


def run(bench: Bench, sets: Mapping[str, Sequence[Pair]], *, cases: int, seed: int) -> dict[str, Any]:
    """The suite, over ``cases`` pairs, half of them matches."""
    straight = [sides_of(pair) for pair in balanced(sets, cases, seed)]
    swapped = [(right, left) for left, right in straight]
    bench.read(straight)
    bench.read(swapped)
    changed = rate(bench.is_match(one) != bench.is_match(other) for one, other in zip(straight, swapped, strict=True))
    judged = [(bench[one], bench[other]) for one, other in zip(straight, swapped, strict=True)]
    moves = [abs(one.probability - other.probability) for one, other in judged if one and other]
    return {
        "changed": changed,
        "attribute_changed": rate(
            bench.verdicts(one) != bench.verdicts(other) for one, other in zip(straight, swapped, strict=True)
        ),
        "mean_probability_move": round(float(np.mean(moves)), 4) if moves else None,
        "targets": {"changed": target(changed, "at most", CEILING)},
    }
