"""Counterfactual edits: one attribute of one side is changed, all else stays, and the label follows.

A pack of 6 is not a single. Each kind of edit needs that both sides agree on the attribute before (or that neither
states it, for packs and colours), so that the one change is what makes them differ. The same edit on both sides is
the partner that keeps the label: it teaches that not the words but the difference decides.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from schemas.grammar import is_grounded
from schemas.offer import Offer
from schemas.prompt import quotable
from schemas.rationale import ATTRIBUTES, Attribute, Verdict
from schemas.stated import colours, packs
from train.pairs.mixture import TrainingPair
from train.pairs.rewrites import ATTRIBUTE_OF, EDIT_KINDS, REWRITES, EditKind, everything, is_shown, with_phrase
from train.pairs.wordlists import TRAINING, WordList
from train.rationales.derive import derive
from train.rationales.verdicts import SentenceTarget, Targets

__all__ = ["ATTRIBUTE_OF", "EDIT_KINDS", "Change", "EditKind", "change", "edited"]

# Of the pack edits where neither side states a size, so many add one to one side only.
ONE_SIDED_SHARE = 0.7


@dataclass(frozen=True)
class Change:
    """Both sides after an edit, and the words before and after; ``before`` are the sides that agree."""

    left: Offer
    right: Offer
    before: tuple[Offer, Offer]
    old: str
    new: str


def _sides(left: Offer, right: Offer, rng: random.Random) -> Iterator[bool]:
    first = rng.random() < 0.5
    yield first
    yield not first


def change(
    left: Offer,
    right: Offer,
    rng: random.Random,
    kind: EditKind,
    words: WordList = TRAINING,
    brands: Collection[str] = (),
    *,
    both: bool = False,
) -> Change | None:
    """Change one attribute on one side, or in the same way on both.

    Args:
        left, right: two listings of one product.
        rng: every choice comes from it, also that of the side.
        kind: which attribute.
        words: what may be put in.
        brands: single-word brands beyond the well-known ones that a title may state.
        both: whether both sides are given the same edit.

    Returns:
        None where the pair does not offer it, for example because both sides share no code, or where the prompt would
        not show it.
    """
    if kind in ("pack", "colour") and not _states(left, kind) and not _states(right, kind):
        return _added(left, right, rng, kind, words, both)
    for side in _sides(left, right, rng):
        edited, other = (left, right) if side else (right, left)
        rewrite = REWRITES[kind](edited, other, rng, words, brands)
        if rewrite is None:
            continue
        after = rewrite.apply(edited)
        if after == edited or rewrite.pattern.search(everything(after)) or not is_shown(after, rewrite.new):
            continue
        if both:
            # Each side has its own form of the word (grey and gray), so each is asked for its own pattern.
            changed = rewrite.apply(other)
            if changed == other or rewrite.pattern.search(everything(changed)):
                continue
            sides = (after, changed) if side else (changed, after)
        else:
            sides = (after, right) if side else (left, after)
        return Change(*sides, (left, right), rewrite.old, rewrite.new)
    return None


def _states(offer: Offer, kind: EditKind) -> bool:
    text = everything(offer)
    return bool(packs(text) if kind == "pack" else colours(text))


def _added(left: Offer, right: Offer, rng: random.Random, kind: EditKind, words: WordList, both: bool) -> Change | None:
    """The edit of a pair that states no pack size, or no colour, at all."""
    if kind == "pack":
        sizes = rng.sample(words.pack_sizes, 2)
        first, second = (rng.choice(words.packs).format(n=size) for size in (sizes[0], sizes[0] if both else sizes[1]))
        # A pack of 6 is not a single: as a rule one side alone states a pack.
        if not both and rng.random() < ONE_SIDED_SHARE:
            on_left = rng.random() < 0.5
            packed = with_phrase(left if on_left else right, first, rng)
            if packed is None:
                return None
            return Change(*((packed, right) if on_left else (left, packed)), (left, right), "", first)
    else:
        first, second = rng.sample(words.colours, 2)
        second = first if both else second
    one = with_phrase(left, first, rng)
    # Both phrases at the same place of the right side: nothing but the phrase is to differ.
    place = rng.random()
    other, changed = (with_phrase(right, phrase, random.Random(place)) for phrase in (first, second))
    if one is None or other is None or changed is None:
        return None
    return Change(one, changed, (one, other), first, second)


def edited(
    item: TrainingPair,
    rng: random.Random,
    kind: EditKind,
    *,
    words: WordList = TRAINING,
    brands: Collection[str] = (),
    both: bool = False,
    held: Mapping[Attribute, Verdict] = MappingProxyType({}),
) -> TrainingPair | None:
    """A training pair made of a matching one by one edit; its id ends in ``~kind``, or ``~same-kind`` when ``both``.

    Targets: the edited attribute ``different`` and label 0 (``same`` and label 1 when ``both``), every other attribute
    as before; one that was masked is at least not ``different``, unless the listings spoke against it already. Without
    that, a student takes from real non-matches that where one attribute differs the others do too. Of the masked ones
    those in ``held``, which the student itself gave the pair before the edit, are asked for again: an edit must not
    move them. The sentence quotes the two words where both stand in the listings. GTINs go: they name the old product.

    Raises:
        ValueError: the pair is no match.
    """
    if item.pair.label != 1:
        raise ValueError(f"only a match can be edited, {item.pair.pair_id} is none")
    done = change(item.pair.left, item.pair.right, rng, kind, words, brands, both=both)
    if done is None:
        return None
    left, right = (side.model_copy(update={"gtin": None}) for side in (done.left, done.right))
    attribute = ATTRIBUTE_OF[kind]
    known: dict[Attribute, Verdict] = {**item.targets.verdicts, attribute: "same" if both else "different"}
    spared = frozenset(ATTRIBUTES) - known.keys() - doubtful(*done.before, brands)
    steady = {name: verdict for name, verdict in held.items() if name in spared and verdict != "different"}
    verdicts: dict[Attribute, Verdict] = {**steady, **known}
    if both:
        told = item.targets.sentence
        kept = told and _grounded(left, right, told.quote_left, told.quote_right)
        sentence = told if kept else None
    else:
        sentence = next(
            (
                SentenceTarget(attribute, *quotes)
                for quotes in ((done.old, done.new), (done.new, done.old))
                if _grounded(left, right, *quotes)
            ),
            None,
        )
    pair = replace(
        item.pair,
        pair_id=f"{item.pair.pair_id}~{'same-' if both else ''}{kind}",
        left=left,
        right=right,
        label=int(both),
    )
    return TrainingPair(pair, Targets(verdicts, sentence, item.targets.source, spared - verdicts.keys()))


def doubtful(left: Offer, right: Offer, brands: Collection[str]) -> frozenset[Attribute]:
    """Attributes in which two listings contradict each other, or of which only one states a pack."""
    evident = derive(left, right, 0, frozenset(brands)).verdicts
    found: set[Attribute] = {name for name, verdict in evident.items() if verdict == "different"}
    if packs(everything(left)) != packs(everything(right)):
        found.add("quantity")
    return frozenset(found)


def _grounded(left: Offer, right: Offer, quote_left: str, quote_right: str) -> bool:
    return is_grounded(quotable(left), quote_left) and is_grounded(quotable(right), quote_right)
