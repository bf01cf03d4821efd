"""Evidence: what two listings share and where they differ, counted, as one short line of the prompt.

The tokenizer splits every digit, so a small model can hardly compare ``dscw120p`` with ``dsc-w120/p`` itself.
The line is computed from the whole offer, also from the part of the description that the prompt leaves out.
It never decides: it is put before the student (decision 16). Pure functions, no I/O.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from schemas.identifiers import codes, gtin14, measures, normalise_code, offer_codes
from schemas.stated import packs
from schemas.text import clean, trigrams

if TYPE_CHECKING:
    from schemas.offer import Offer

# The part of a description that is compared; Abt-Buy's longest useful ones end before it.
DESCRIPTION_CHARS = 1_500
# Words that say nothing about the product.
_STOP = frozenset(["the", "a", "an", "of", "and", "for", "with", "to", "in", "by", "on", "new", "de", "le", "la", "w"])
# A common prefix this long makes two unequal codes relatives: variants of one model as a rule.
NEAR_PREFIX = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """Counts are capped at 9, shares are tenths (0-9); ``price`` is None when the prices cannot be compared.

    ``near_codes``: 0 no relation, 1 unequal codes with a common prefix of at least ``NEAR_PREFIX`` characters,
    2 the same up to the last character. ``gtin``: "same", "different" or None when one side has none.
    """

    codes_shared: int
    codes_only_a: int
    codes_only_b: int
    codes_inside: int
    near_codes: int
    measures_shared: int
    measures_only_a: int
    measures_only_b: int
    measures_conflicting: int
    word_overlap: int
    word_containment: int
    trigram_overlap: int
    trigram_containment: int
    words_only_a: int
    words_only_b: int
    covered_a: int
    covered_b: int
    brand: int
    price: int | None
    gtin: str | None
    packs: str | None

    def line(self) -> str:
        """The evidence as the prompt shows it: five labels, a digit a value, at most 28 tokens."""
        price = "" if self.price is None else f" price{self.price}"
        gtin = "" if self.gtin is None else f" gtin {self.gtin}"
        packs = "" if self.packs is None else f" packs {self.packs}"
        return (
            f"codes{self.codes_shared}{self.codes_only_a}{self.codes_only_b}{self.codes_inside}{self.near_codes}"
            f" numbers{self.measures_shared}{self.measures_only_a}{self.measures_only_b}{self.measures_conflicting}"
            f" words{self.word_overlap}{self.word_containment}{self.words_only_a}{self.words_only_b}{self.brand}"
            f" text{self.trigram_overlap}{self.trigram_containment}{self.covered_a}{self.covered_b}{price}{gtin}{packs}"
        )


@dataclass(frozen=True, slots=True)
class _View:
    """What is compared of one offer, computed once and reused for all its pairs."""

    words: tuple[str, ...]
    plain: frozenset[str]
    codes: frozenset[str]
    all_codes: frozenset[str]
    squashed: str
    measures: frozenset[str]
    all_measures: frozenset[str]
    grams: frozenset[str]
    reach: frozenset[str]
    packs: frozenset[str]
    all_packs: frozenset[str]


@lru_cache(maxsize=16_384)
def _view(title: str, brand: str, model: str, description: str) -> _View:
    words = tuple(word for word in dict.fromkeys(f"{brand} {title}".split()) if word not in _STOP)
    named = frozenset([code] if len(code := normalise_code(model)) >= NEAR_PREFIX else []) | frozenset(codes(title))
    of_title = frozenset(measures(title))
    return _View(
        words=words,
        plain=frozenset(word for word in words if not any(char.isdigit() for char in word)),
        codes=named,
        all_codes=named | frozenset(codes(description)),
        squashed=normalise_code(f"{title}{model}{description}"),
        measures=of_title,
        all_measures=of_title | frozenset(measures(description)),
        grams=frozenset(trigrams(title)),
        reach=frozenset(description.split()) | frozenset(words),
        packs=_several(title),
        all_packs=_several(title) | _several(description),
    )


def _several(text: str) -> frozenset[str]:
    """Pack sizes of more than one: "1 pc" says what silence says."""
    return packs(text) - {"0", "1"}


def view(offer: Offer) -> _View:
    """The compared parts of an offer (cached by content)."""
    return _view(
        clean(offer.title),
        clean(offer.brand or ""),
        clean(offer.model_number or ""),
        clean(offer.description or "", DESCRIPTION_CHARS),
    )


def _tenths(part: int, whole: int) -> int:
    return min(9, 10 * part // whole) if whole else 0


def _near(only_a: frozenset[str], only_b: frozenset[str]) -> int:
    best = 0
    for a in only_a:
        for b in only_b:
            shorter = min(len(a), len(b))
            common = next((i for i in range(shorter) if a[i] != b[i]), shorter)
            if common >= NEAR_PREFIX:
                best = max(best, 2 if common >= shorter - 1 else 1)
    return best


def by_unit(found: frozenset[str]) -> dict[str, set[str]]:
    """Measures grouped by their unit; bare numbers are left out, for without a unit they contradict nothing."""
    groups: dict[str, set[str]] = {}
    for measure in found:
        if unit := re.sub(r"[\d.]+", "", measure):
            groups.setdefault(unit, set()).add(measure)
    return groups


def conflicting_units(a: frozenset[str], b: frozenset[str]) -> list[str]:
    """Units that both sides state with no value in common, sorted."""
    left, right = by_unit(a), by_unit(b)
    return sorted(unit for unit in left.keys() & right.keys() if not left[unit] & right[unit])


def _packs(a: _View, b: _View) -> str | None:
    if a.packs & b.all_packs or b.packs & a.all_packs:
        return "same"
    if a.packs and b.packs:
        return "different"
    return "one" if a.packs or b.packs else None


def _price_distance(a: Offer, b: Offer) -> int | None:
    """Ninths of a factor e between the prices, capped: 0 equal, 9 a factor 2.7 or more."""
    if a.price is None or b.price is None or (a.currency and b.currency and a.currency != b.currency):
        return None
    x, y = float(a.price), float(b.price)
    if x <= 0 or y <= 0:
        return None
    return min(9, math.floor(9 * abs(math.log(x / y))))


def compare(query: Offer, candidate: Offer) -> Evidence:
    """Evidence for a pair; swapping the offers swaps the ``_a`` and ``_b`` fields and changes nothing else."""
    a, b = view(query), view(candidate)
    only_a, only_b = a.codes - b.all_codes, b.codes - a.all_codes
    words_a, words_b = frozenset(a.words), frozenset(b.words)
    grams = len(a.grams & b.grams)
    gtin_a, gtin_b = (gtin14(offer.gtin) if offer.gtin else None for offer in (query, candidate))
    return Evidence(
        codes_shared=min(9, len((a.codes & b.all_codes) | (b.codes & a.all_codes))),
        codes_only_a=min(9, len(only_a)),
        codes_only_b=min(9, len(only_b)),
        codes_inside=min(9, sum(code in b.squashed for code in a.codes) + sum(code in a.squashed for code in b.codes)),
        near_codes=_near(only_a, only_b),
        measures_shared=min(9, len(a.measures & b.measures)),
        measures_only_a=min(9, len(a.measures - b.all_measures)),
        measures_only_b=min(9, len(b.measures - a.all_measures)),
        measures_conflicting=min(9, len(conflicting_units(a.measures, b.measures))),
        word_overlap=_tenths(len(a.plain & b.plain), len(a.plain | b.plain)),
        word_containment=_tenths(len(words_a & words_b), min(len(words_a), len(words_b))),
        trigram_overlap=_tenths(grams, len(a.grams | b.grams)),
        trigram_containment=_tenths(grams, min(len(a.grams), len(b.grams))),
        words_only_a=min(9, len(a.plain - b.plain)),
        words_only_b=min(9, len(b.plain - a.plain)),
        covered_a=_tenths(len(words_a & b.reach), len(words_a)),
        covered_b=_tenths(len(words_b & a.reach), len(words_b)),
        brand=int(bool(a.words and b.words) and (a.words[0] in words_b or b.words[0] in words_a)),
        price=_price_distance(query, candidate),
        gtin=None if gtin_a is None or gtin_b is None else ("same" if gtin_a == gtin_b else "different"),
        packs=_packs(a, b),
    )


def identifier_verdict(query: Offer, candidate: Offer) -> str | None:
    """What identifiers alone say, for the fast path that a policy may allow: "same", "different" or None.

    "same": equal valid GTINs. "different": unequal valid GTINs and no shared code. Anything else is None.
    """
    gtin = compare(query, candidate).gtin
    if gtin == "different" and set(offer_codes(query)) & set(offer_codes(candidate)):
        return None
    return gtin
