"""Slices of a set of pairs: where the student is better and where it is worse, each with its n and interval."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.identifiers import offer_codes
from schemas.offer import Offer
from schemas.stated import packs
from schemas.text import clean
from train.evaluation.metrics import Bools, Floats
from train.pairs.pairs import Pair
from train.report.baselines import token_jaccard
from train.report.measures import f1_at, proportion

# Fewer pairs or matches than this say nothing about a slice: it is shown, and is neither the best nor the worst.
MIN_PAIRS = 50
MIN_MATCHES = 20
# Hard without a flag: a non-match whose titles share more words than those of this share of the matches.
HARD_QUANTILE = 0.25
HARD_FLAG = "is_hard_negative"
_PACK_WORDS = re.compile(
    r"\b(?:\d{1,4}[ -]?)?(?:pack|packs|pk|bundle|bundled|kit|kits|set|sets|combo|bulk|lot|multipack)\b"
)


def has_pack_words(offer: Offer) -> bool:
    """Whether the title speaks of a pack, set, kit or bundle, or states how many pieces it is."""
    title = clean(offer.title)
    return bool(packs(title) or _PACK_WORDS.search(title))


def has_brand(offer: Offer, brands: Collection[str]) -> bool:
    """Whether the brand field is filled or the title begins with a known single-word brand."""
    first = clean(offer.title).split()[:1]
    return bool(offer.brand) or (bool(first) and first[0] in brands)


def offer_keys(pair: Pair) -> tuple[frozenset[str], frozenset[str]]:
    """What the left and the right offer are recognised by in other files: the clean title, and the id within the set.

    Training moves codes out of titles and rewrites them, so that a title alone would not do.
    """
    left, right = (
        frozenset((clean(offer.title), f"{pair.origin}\0{offer.offer_id}")) for offer in (pair.left, pair.right)
    )
    return left, right


@dataclass(frozen=True)
class Background:
    """What of the training data the slices need: single-word brands, and the keys of offers that were trained on."""

    brands: frozenset[str]
    seen: frozenset[str]


def hard_negatives(pairs: Sequence[Pair]) -> Bools:
    """[pairs]: the non-matches that look like matches: the file's own flag where it has one, else word overlap."""
    labels = np.array([pair.label == 1 for pair in pairs], dtype=np.bool_)
    if any(HARD_FLAG in pair.meta for pair in pairs):
        flagged = np.array([bool(pair.meta.get(HARD_FLAG)) for pair in pairs], dtype=np.bool_)
        return flagged & ~labels
    if not labels.any():
        return np.zeros(len(pairs), dtype=np.bool_)
    overlap = token_jaccard(pairs)
    return np.asarray(~labels & (overlap >= np.quantile(overlap[labels], HARD_QUANTILE)), dtype=np.bool_)


def slice_masks(pairs: Sequence[Pair], background: Background) -> dict[str, Bools]:
    """Slice name to the pairs in it [pairs]; groups are told apart by the text before the colon."""

    def mask(holds: Callable[[Pair], bool]) -> Bools:
        return np.array([holds(pair) for pair in pairs], dtype=np.bool_)

    def both(holds: Callable[[Offer], bool]) -> Bools:
        return mask(lambda pair: holds(pair.left) and holds(pair.right))

    brand = both(lambda offer: has_brand(offer, background.brands))
    model = both(lambda offer: bool(offer_codes(offer)))
    pack = mask(lambda pair: has_pack_words(pair.left) or has_pack_words(pair.right))
    lengths = np.array([len(clean(pair.left.title)) + len(clean(pair.right.title)) for pair in pairs], dtype=np.int64)
    low, high = np.quantile(lengths, [1 / 3, 2 / 3]) if len(pairs) else (0, 0)
    seen = np.array(
        [sum(bool(keys & background.seen) for keys in offer_keys(pair)) for pair in pairs],
        dtype=np.int64,
    )
    hard = hard_negatives(pairs)
    labels = np.array([pair.label == 1 for pair in pairs], dtype=np.bool_)
    return {
        "brand: on both sides": brand,
        "brand: missing": ~brand,
        "model number: on both sides": model,
        "model number: missing": ~model,
        "titles: short third": lengths <= low,
        "titles: middle third": (lengths > low) & (lengths <= high),
        "titles: long third": lengths > high,
        "pack or bundle words: yes": pack,
        "pack or bundle words: no": ~pack,
        "listings in training: both": seen == 2,
        "listings in training: one": seen == 1,
        "listings in training: neither": seen == 0,
        "negatives: matches and hard ones only": labels | hard,
    }


def sliced(
    pairs: Sequence[Pair], probabilities: Floats, threshold: float, background: Background
) -> dict[str, dict[str, Any]]:
    """F1 of each slice with n and interval; an empty slice has n = 0 and nothing else."""
    labels = np.array([pair.label == 1 for pair in pairs], dtype=np.bool_)
    predicted = probabilities >= threshold
    found: dict[str, dict[str, Any]] = {}
    for name, inside in slice_masks(pairs, background).items():
        found[name] = f1_at(labels[inside], predicted[inside]) if inside.any() else {"n": 0, "positives": 0}
    return found


def false_matches(pairs: Sequence[Pair], probabilities: Floats, threshold: float) -> dict[str, dict[str, Any]]:
    """Share of hard and of other non-matches that are taken for matches, with Wilson's interval."""
    predicted = probabilities >= threshold
    hard = hard_negatives(pairs)
    easy = np.array([pair.label == 0 for pair in pairs], dtype=np.bool_) & ~hard
    return {
        name: proportion(int(predicted[inside].sum()), int(inside.sum()))
        for name, inside in (("hard", hard), ("other", easy))
    }


def extremes(slices: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any] | None]:
    """The worst and the best slice over all sets, among those with enough pairs and matches."""
    ranked = sorted(
        (
            {"set": name, "slice": slice_name, **row}
            for name, rows in slices.items()
            for slice_name, row in rows.items()
            if row["n"] >= MIN_PAIRS and row["positives"] >= MIN_MATCHES
        ),
        key=lambda row: (row["f1"], row["n"]),
    )
    return {"worst": ranked[0] if ranked else None, "best": ranked[-1] if ranked else None}
