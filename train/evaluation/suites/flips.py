"""Does changing one attribute in the input flip the verdict on that attribute, and no other?

From matching pairs of the held-out sets, by the edits of :mod:`train.pairs.edits` with the words kept for measuring.
Floors: the matching verdict becomes ``different`` in 80% of the cases of a kind, and no other verdict changes in 90%.
A case whose verdict was ``different`` before the edit says nothing and is left out, and counted.

Beside them, without a floor: how often the answer follows, and how often the *same* edit on both sides makes the
verdict ``different`` although the sides agree.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES
from train.evaluation.suites.bench import Bench, Sides, in_turn
from train.evaluation.suites.rates import rate, target, worst
from train.pairs.edits import ATTRIBUTE_OF, EDIT_KINDS, EditKind, change
from train.pairs.mixture import known_brands
from train.pairs.pairs import Pair
from train.pairs.wordlists import EVALUATION

REQUIRED: tuple[EditKind, ...] = ("brand", "model", "pack")
FLIP_FLOOR = 0.80
OTHERS_FLOOR = 0.90


@dataclass(frozen=True)
class Case:
    """One edit: the sides that agree, the sides after one of them was edited, and after both were edited alike."""

    kind: EditKind
    before: Sides
    after: Sides
    alike: Sides | None
    origin: str


def make_cases(
    matches: Sequence[Pair], kind: EditKind, count: int, seed: int, brands: Collection[str] = ()
) -> list[Case]:
    """The first ``count`` cases that matching pairs offer, one a pair; fewer where they offer fewer."""
    cases: list[Case] = []
    for pair in matches:
        if len(cases) == count:
            break
        generators = [random.Random(f"{seed}:{kind}:{pair.origin}:{pair.pair_id}:{way}") for way in ("one", "both")]
        done = change(pair.left, pair.right, generators[0], kind, EVALUATION, brands)
        if done is None:
            continue
        alike = change(pair.left, pair.right, generators[1], kind, EVALUATION, brands, both=True)
        # GTINs name the product from before the edit.
        before, after = ((_plain(a), _plain(b)) for a, b in (done.before, (done.left, done.right)))
        cases.append(
            Case(kind, before, after, (_plain(alike.left), _plain(alike.right)) if alike else None, pair.origin)
        )
    return cases


def _plain(offer: Offer) -> Offer:
    return offer.model_copy(update={"gtin": None}) if offer.gtin else offer


def run(
    bench: Bench, sets: Mapping[str, Sequence[Pair]], *, cases: int, extra: int, alike: int, seed: int
) -> dict[str, Any]:
    """The suite.

    Args:
        bench: the judge.
        sets: held-out pairs.
        cases: wanted for each required kind.
        extra: wanted for each other kind (colour, capacity, edition).
        alike: of each kind so many are also judged with the same edit on both sides.
        seed: of the choice of pairs and edits.
    """
    matches = in_turn(sets, 1, seed)
    brands = known_brands(pair for pairs in sets.values() for pair in pairs)
    made = {kind: make_cases(matches, kind, cases if kind in REQUIRED else extra, seed, brands) for kind in EDIT_KINDS}
    everything = [case for found in made.values() for case in found]
    controls = {kind: [case for case in found if case.alike][:alike] for kind, found in made.items()}
    bench.read(case.before for case in everything)
    bench.read(case.after for case in everything)
    bench.read(case.alike for found in controls.values() for case in found if case.alike)
    kinds: dict[str, dict[str, Any]] = {
        kind: _of_kind(bench, kind, found, controls[kind]) for kind, found in made.items()
    }
    required: dict[str, dict[str, Any]] = {kind: kinds[kind] for kind in REQUIRED}
    worst_flip, worst_others = (worst(required, "at least", key) for key in ("flips", "no_other_changes"))
    return {
        "kinds": kinds,
        "required": list(REQUIRED),
        "worst": {"flips": worst_flip, "no_other_changes": worst_others},
        "targets": {
            kind: {
                "flips": target(found["flips"], "at least", FLIP_FLOOR),
                "no_other_changes": target(found["no_other_changes"], "at least", OTHERS_FLOOR),
            }
            for kind, found in required.items()
        },
    }


def _of_kind(bench: Bench, kind: EditKind, cases: Sequence[Case], controls: Sequence[Case]) -> dict[str, Any]:
    attribute = ATTRIBUTE_OF[kind]
    kept = [case for case in cases if bench.verdicts(case.before)[attribute] != "different"]
    flips: list[bool] = []
    quiet: list[bool] = []
    changed: Counter[str] = Counter()
    for case in kept:
        before, after = bench.verdicts(case.before), bench.verdicts(case.after)
        flips.append(after[attribute] == "different")
        others = [name for name in ATTRIBUTES if name != attribute and before[name] != after[name]]
        quiet.append(not others)
        changed.update(f"{name}: {before[name]} to {after[name]}" for name in others)
    matched = [case for case in kept if bench.is_match(case.before)]
    return {
        "attribute": attribute,
        "made": len(cases),
        "excluded_already_different": len(cases) - len(kept),
        "from": dict(sorted(Counter(case.origin for case in kept).items())),
        "verdict_before": dict(sorted(Counter(str(bench.verdicts(case.before)[attribute]) for case in kept).items())),
        "flips": rate(flips),
        "no_other_changes": rate(quiet),
        "other_changes": dict(changed.most_common()),
        "answer_follows": rate(not bench.is_match(case.after) for case in matched),
        "different_though_alike": rate(
            bench.verdicts(case.alike)[attribute] == "different" for case in controls if case.alike
        ),
    }
