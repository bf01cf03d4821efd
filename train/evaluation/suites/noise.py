"""Does seller noise change correct decisions? At most 5% may.

Noise of :mod:`train.pairs.noise`, one kind at a time, on one side, with promotions and tags kept for measuring. The
ceiling is over the kinds ``LISTED`` (promotions, tags, order, units); the others are reported beside them: some take
information away, which may rightly change a decision.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.offer import Offer
from train.evaluation.suites.bench import Bench, Sides, balanced, sides_of
from train.evaluation.suites.rates import rate, target, worst
from train.pairs.noise import FIELDS, WORDING, Noise, noisy
from train.pairs.pairs import Pair
from train.pairs.wordlists import EVALUATION, WordList

LISTED = ("promotion", "tag", "order", "units")
CEILING = 0.05


def all_together(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """Several kinds at once, as training gives them."""
    return noisy(offer, rng, words)


KINDS: dict[str, Noise] = {
    # Foreign texts are the injection suite's.
    **{name: noise for name, (noise, _) in {**WORDING, **FIELDS}.items() if not name.startswith("foreign")},
    "all together": all_together,
}


@dataclass(frozen=True)
class Case:
    """A pair before and after noise on one side."""

    kind: str
    before: Sides
    after: Sides
    label: int
    origin: str


def make_cases(pairs: Sequence[Pair], kind: str, count: int, seed: int) -> list[Case]:
    """The first ``count`` cases of a kind, one a pair, where the noise changes the listing at all."""
    cases: list[Case] = []
    for pair in pairs:
        if len(cases) == count:
            break
        rng = random.Random(f"{seed}:{kind}:{pair.origin}:{pair.pair_id}")
        left_first = rng.random() < 0.5
        for is_left in (left_first, not left_first):
            offer = pair.left if is_left else pair.right
            changed = KINDS[kind](offer, rng, EVALUATION)
            if changed != offer:
                after = (changed, pair.right) if is_left else (pair.left, changed)
                cases.append(Case(kind, sides_of(pair), after, pair.label, pair.origin))
                break
    return cases


def run(bench: Bench, sets: Mapping[str, Sequence[Pair]], *, cases: int, extra: int, seed: int) -> dict[str, Any]:
    """The suite: ``cases`` of each listed kind, ``extra`` of each other, half of the pairs matches."""
    pool = balanced(sets, 3 * cases, seed)
    made = {kind: make_cases(pool, kind, cases if kind in LISTED else extra, seed) for kind in KINDS}
    everything = [case for found in made.values() for case in found]
    bench.read(case.before for case in everything)
    correct = [case for case in everything if bench.is_match(case.before) == (case.label == 1)]
    bench.read(case.after for case in correct)

    def changes(found: Sequence[Case]) -> dict[str, Any]:
        return rate(bench.is_match(case.after) != bench.is_match(case.before) for case in found)

    listed = [case for case in correct if case.kind in LISTED]
    kinds = {kind: changes([case for case in correct if case.kind == kind]) for kind in KINDS}
    overall = changes(listed)
    return {
        "changed": overall,
        "changed_matches": changes([case for case in listed if case.label == 1]),
        "changed_non_matches": changes([case for case in listed if case.label == 0]),
        "kinds": kinds,
        "listed": list(LISTED),
        "wrong_before": len(everything) - len(correct),
        "worst": worst({kind: kinds[kind] for kind in LISTED}, "at most"),
        "targets": {"changed": target(overall, "at most", CEILING)},
    }
