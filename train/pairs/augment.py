"""What one epoch sees: training pairs as other sellers would list them, and edited ones that change the label.

Everything follows from seed, epoch and the pair's identity, never from its place in the list: the same pair is treated
the same in whatever selection it stands. Edits come from the given pairs alone, so what the guard kept out stays out.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from schemas.grammar import is_grounded
from schemas.offer import Offer
from schemas.prompt import quotable
from schemas.rationale import Attribute, Verdict
from train.pairs.edits import EDIT_KINDS, EditKind, edited
from train.pairs.mixture import TrainingPair
from train.pairs.noise import noisy
from train.rationales.derive import derive
from train.rationales.verdicts import Targets

Held = Mapping[tuple[str, str], Mapping[Attribute, Verdict]]

# Of the edited pairs so many are given the same edit on both sides and keep their label.
PARTNER_SHARE = 1 / 3
# Edited pairs of each kind, relative to the others: pack sizes are rare in the data and stated in many ways.
WEIGHTS: dict[EditKind, float] = {
    "brand": 1.0, "model": 1.0, "pack": 1.5, "colour": 1.0, "capacity": 1.0, "edition": 1.0,
}  # fmt: skip
# So many edits start from an offer against itself, as another seller would list it: there are few matches, and of some
# kinds (codes, capacities) fewer that both sides state.
SELF_SHARE = 0.25


def rng_of(seed: int, epoch: int, item: TrainingPair, purpose: str) -> random.Random:
    """The generator of one pair in one epoch for one purpose."""
    text = f"{seed}:{epoch}:{item.pair.origin}:{item.pair.pair_id}:{purpose}"
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))


def with_noise(item: TrainingPair, rng: random.Random, brands: frozenset[str]) -> TrainingPair:
    """The pair with seller noise on one side or both; label and targets stay but where what states them was dropped.

    A teacher read the listings as they were, so their other fields stay.
    """
    fields = item.targets.source == "derived"
    sides = rng.choice(((True, False), (False, True), (True, True)))
    left, right = (
        noisy(offer, rng, fields=fields) if chosen else offer
        for offer, chosen in zip((item.pair.left, item.pair.right), sides, strict=True)
    )
    pair = replace(item.pair, left=left, right=right)
    return TrainingPair(pair, _targets_after(item, left, right, brands))


def _targets_after(item: TrainingPair, left: Offer, right: Offer, brands: frozenset[str]) -> Targets:
    """Targets that the noisy listings still state."""
    old, verdicts, sentence = item.targets, item.targets.verdicts, item.targets.sentence
    before = (item.pair.left, item.pair.right)
    if any(a.brand != b.brand or a.description != b.description for a, b in zip(before, (left, right), strict=True)):
        still = derive(left, right, item.pair.label, brands)
        verdicts = {name: verdict for name, verdict in verdicts.items() if still.verdicts.get(name) == verdict}
    if sentence is not None and not (
        verdicts.get(sentence.attribute) == old.verdicts.get(sentence.attribute)
        and is_grounded(quotable(left), sentence.quote_left)
        and is_grounded(quotable(right), sentence.quote_right)
    ):
        sentence = None
    return replace(old, verdicts=verdicts, sentence=sentence)


def against_itself(item: TrainingPair, rng: random.Random, brands: frozenset[str]) -> TrainingPair:
    """One offer of the pair against the same offer as another seller would list it: a match."""
    offer = item.pair.left if rng.random() < 0.5 else item.pair.right
    copy = noisy(offer, rng).model_copy(update={"offer_id": f"{offer.offer_id}~noisy"[:512]})
    left, right = (offer, copy) if rng.random() < 0.5 else (copy, offer)
    pair = replace(item.pair, pair_id=f"{item.pair.pair_id}~self", left=left, right=right, label=1)
    return TrainingPair(pair, derive(left, right, 1, brands))


def _edits(
    items: Sequence[TrainingPair], kind: EditKind, wanted: int, seed: int, epoch: int, noise_share: float,
    brands: frozenset[str], steady: Held,
) -> list[TrainingPair]:  # fmt: skip
    """At most ``wanted`` edited pairs of one kind, from the pairs whose hash comes first in this epoch."""
    made: list[TrainingPair] = []
    matches = sum(item.pair.label == 1 for item in items)
    against = SELF_SHARE / (1 - SELF_SHARE) * matches / max(1, len(items) - matches)
    order = sorted((rng_of(seed, epoch, item, kind).random(), place) for place, item in enumerate(items))
    for _, place in order:
        if len(made) == wanted:
            break
        item, rng = items[place], rng_of(seed, epoch, items[place], f"{kind}:edit")
        held = steady.get((item.pair.origin, item.pair.pair_id), {}) if item.pair.label else {}
        if item.pair.label == 0:
            if rng.random() >= against:
                continue
            item = against_itself(item, rng, brands)
        elif rng.random() < noise_share:
            item = with_noise(item, rng, brands)
        done = edited(item, rng, kind, brands=brands, both=rng.random() < PARTNER_SHARE, held=held)
        if done is not None:
            made.append(done)
    return made


def augment(
    items: Sequence[TrainingPair],
    *,
    seed: int,
    epoch: int,
    noise_share: float = 0.3,
    edit_share: float = 0.15,
    brands: Collection[str] = (),
    steady: Held = MappingProxyType({}),
) -> list[TrainingPair]:
    """The pairs of one epoch: the given ones in their order, some with noise, and then the edited ones.

    Args:
        items: training pairs, after the guard.
        seed, epoch: other epochs have other noise and other edits.
        noise_share: share of the pairs that are given seller noise on one side or both.
        edit_share: edited pairs of *each* kind (times ``WEIGHTS``), as a share of the matches among ``items``; a third
            of them carry the same edit on both sides and stay matches. Fewer where the pairs offer fewer.
        brands: single-word brands known from the data (:func:`train.pairs.mixture.known_brands`).
        steady: verdicts that a student gave matches before any edit, by origin and pair id; edits are to leave them.

    Returns:
        Pairs with unique (origin, pair_id) where those of ``items`` are.
    """
    known = frozenset(brands)
    found = [
        with_noise(item, rng, known) if (rng := rng_of(seed, epoch, item, "noise")).random() < noise_share else item
        for item in items
    ]
    matches = sum(item.pair.label == 1 for item in items)
    for kind in EDIT_KINDS:
        found += _edits(
            items, kind, round(edit_share * WEIGHTS[kind] * matches), seed, epoch, noise_share, known, steady
        )
    return found
