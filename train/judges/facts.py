"""What two listings state of each attribute, read by rules, as numbers and as short text: a judge's evidence.

A small encoder can hardly compare ``dscw120p`` with ``dsc-w120/p`` itself, nor 8 with 9 among forty other tokens; so
what can be read and compared by a program is put beside the text. Rules only read here: which verdict follows, and how
far wording may outweigh a rule, is learnt. Every number is the same for both orders of the sides. Pure functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from schemas.evidence import DESCRIPTION_CHARS, compare, conflicting_units
from schemas.grammar import is_grounded
from schemas.identifiers import codes, gtin14, measures, normalise_code
from schemas.offer import Offer
from schemas.prompt import quotable
from schemas.rationale import ATTRIBUTES, Attribute
from schemas.stated import colours, packs
from schemas.text import clean
from train.evaluation.metrics import Floats
from train.judges.claims import Claim
from train.pairs.wordlists import WELL_KNOWN_BRANDS

FACETS = ("brand", "code", "gtin", "measure", "number", "colour", "pack", "edition")
RELATIONS = ("neither", "one", "equal", "inside", "overlap", "disjoint")
STATES = ("agree", "conflict", "one", "silent")
FACETS_OF: dict[Attribute, tuple[str, ...]] = {
    "brand": ("brand",),
    "product": ("code", "gtin"),
    "variant": ("colour", "edition"),
    "specification": ("measure",),
    "quantity": ("pack",),
}
# Words that tell versions of one product apart, as sellers write them; a judge learns what a difference in them means.
_EDITION_TEXT = """
    pro plus mini max lite ultra premium deluxe standard basic home professional student academic starter business
    enterprise ultimate advanced windows mac linux small medium large xl xxl mens womens men women kids boys girls left
    right wired wireless upgrade full limited special
"""
EDITION_WORDS = frozenset(_EDITION_TEXT.split())
_RELEASE = re.compile(r"(?<![\w.,/$-])((?:199|20[0-3])\d|v?\d{1,2}\.0)(?![\w,/-]|\.\d)")
_BARE = re.compile(r"[\d.]+")


@dataclass(frozen=True, slots=True)
class Stated:
    """What one listing states, by facet, in canonical form."""

    values: dict[str, frozenset[str]]
    title: str


@lru_cache(maxsize=32_768)
def _stated(title: str, brand: str, model: str, description: str, gtin: str) -> Stated:
    text = f"{title} {description}"
    words = title.split()
    named = {brand} if brand else {word for word in words[:4] if word in WELL_KNOWN_BRANDS}
    of_title = measures(title)
    found = {
        "brand": named,
        "code": {*codes(title), *([code] if len(code := normalise_code(model)) >= 4 else [])},
        "gtin": {valid} if gtin and (valid := gtin14(gtin)) else set(),
        "measure": {each for each in of_title if not _BARE.fullmatch(each)},
        "number": {each for each in of_title if _BARE.fullmatch(each)},
        "colour": colours(title) or colours(description),
        "pack": packs(title) or packs(description),
        "edition": {word for word in words if word in EDITION_WORDS} | set(_RELEASE.findall(title)),
    }
    return Stated({name: frozenset(values) for name, values in found.items()}, text)


def stated(offer: Offer) -> Stated:
    """What an offer states (cached by content)."""
    return _stated(
        clean(offer.title),
        clean(offer.brand or ""),
        clean(offer.model_number or ""),
        clean(offer.description or "", DESCRIPTION_CHARS),
        offer.gtin or "",
    )


def _initials(short: str, long: str) -> bool:
    words = re.split(r"[ -]", long)
    return len(words) > 1 and normalise_code(short) == "".join(word[:1] for word in words)


def same_brand(a: str, b: str) -> bool:
    """Whether two brand names are one: equal but for signs, one inside the other, or one the initials of the other."""
    first, second = normalise_code(a), normalise_code(b)
    return bool(first and second) and (
        first in second or second in first or _initials(a, b) or _initials(b, a)
    )  # fmt: skip


def relation(left: Offer, right: Offer, facet: str) -> str:
    """How the values of a facet relate; one of ``RELATIONS``. Brands count as equal by :func:`same_brand`."""
    one, two = stated(left), stated(right)
    a, b = one.values[facet], two.values[facet]
    if facet == "brand":
        return _brand_relation(a, b, one.title, two.title)
    if not a or not b:
        return "one" if a or b else "neither"
    if a == b:
        return "equal"
    if not a & b:
        return "disjoint"
    return "inside" if a <= b or b <= a else "overlap"


def _brand_relation(a: frozenset[str], b: frozenset[str], title_a: str, title_b: str) -> str:
    if any(same_brand(x, y) for x in a for y in b):
        return "equal"
    squashed_a, squashed_b = normalise_code(title_a), normalise_code(title_b)
    if any(normalise_code(x) in squashed_b for x in a) or any(normalise_code(x) in squashed_a for x in b):
        return "inside"
    if not a or not b:
        return "one" if a or b else "neither"
    return "disjoint"


def state(left: Offer, right: Offer, attribute: Attribute) -> str:
    """ "agree", "conflict", "one" or "silent": what the facets of an attribute say together."""
    found = {relation(left, right, facet) for facet in FACETS_OF[attribute]}
    if attribute == "specification" and conflicting_units(
        stated(left).values["measure"], stated(right).values["measure"]
    ):
        return "conflict"
    if "disjoint" in found:
        return "conflict"
    if found & {"equal", "inside", "overlap"}:
        return "agree"
    return "one" if "one" in found else "silent"


def _quote_facets(quote: str) -> dict[str, bool]:
    """Which facets a quote is about."""
    text = clean(quote)
    words = set(text.split())
    of_text = measures(text)
    return {
        "brand": bool(words & WELL_KNOWN_BRANDS),
        "code": bool(codes(text)),
        "gtin": any(gtin14(word) for word in words),
        "measure": any(not _BARE.fullmatch(each) for each in of_text),
        "number": any(_BARE.fullmatch(each) for each in of_text),
        "colour": bool(colours(text)),
        "pack": bool(packs(text)),
        "edition": bool(words & EDITION_WORDS or _RELEASE.search(text)),
    }


def pair_features(left: Offer, right: Offer) -> Floats:
    """Evidence of a pair [``PAIR_SIZE``], the same for both orders."""
    one, two = stated(left), stated(right)
    out: list[float] = []
    for facet in FACETS:
        found = relation(left, right, facet)
        out += [float(found == name) for name in RELATIONS]
    for attribute in ATTRIBUTES:
        said = state(left, right, attribute)
        out += [float(said == name) for name in STATES]
    evidence = compare(left, right)
    low_high = (
        (evidence.codes_only_a, evidence.codes_only_b),
        (evidence.measures_only_a, evidence.measures_only_b),
        (evidence.covered_a, evidence.covered_b),
        (evidence.words_only_a, evidence.words_only_b),
    )
    out += [each / 9 for pair in low_high for each in (min(pair), max(pair))]
    out += [
        evidence.codes_shared / 9,
        float(evidence.codes_inside > 0),
        float(evidence.near_codes == 1),
        float(evidence.near_codes == 2),
        evidence.measures_shared / 9,
        float(evidence.measures_conflicting > 0),
        evidence.word_overlap / 9,
        evidence.word_containment / 9,
        evidence.trigram_overlap / 9,
        evidence.trigram_containment / 9,
        float(evidence.brand),
        float(_number_with_other_unit(one, two)),
        float(_unshared(one, two, "pack")),
        float(_unshared(one, two, "colour")),
        float(_unshared(one, two, "edition")),
        float(_unshared(one, two, "measure")),
        float(_unshared(one, two, "number")),
    ]
    return np.array(out)


def _number_with_other_unit(one: Stated, two: Stated) -> bool:
    def parts(side: Stated, other: Stated) -> dict[str, str]:
        only = side.values["measure"] - other.values["measure"]
        return {re.sub(r"[^\d.]", "", each): each for each in only}

    return bool(parts(one, two).keys() & parts(two, one).keys())


def _unshared(one: Stated, two: Stated, facet: str) -> bool:
    """Whether each side states something that the other does not."""
    a, b = one.values[facet], two.values[facet]
    return bool(a - b) and bool(b - a)


def quote_features(claim: Claim) -> Floats:
    """Evidence of a claim's quotes [``QUOTE_SIZE``], the same for both orders; zeros where it quotes nothing."""
    quotes = (claim.quote_left, claim.quote_right)
    if not any(quotes):
        return np.zeros(QUOTE_SIZE)
    texts = quotable(claim.left), quotable(claim.right)
    own = [bool(quote) and is_grounded(text, quote) for quote, text in zip(quotes, texts, strict=True)]
    other = [bool(quote) and is_grounded(text, quote) for quote, text in zip(quotes, reversed(texts), strict=True)]
    about = [_quote_facets(quote) for quote in quotes]
    for facets, quote, offer in zip(about, quotes, (claim.left, claim.right), strict=True):
        facets["brand"] = facets["brand"] or clean(quote) in stated(offer).values["brand"]
    wanted = FACETS_OF[claim.attribute]
    fits = [any(facets[name] for name in wanted) for facets in about]
    out = [
        1.0,
        float(all(quotes)),
        float(all(own)),
        float(any(own)),
        float(any(there and not here for here, there in zip(own, other, strict=True))),
        float(normalise_code(quotes[0]) == normalise_code(quotes[1])),
        float(all(fits)),
        float(any(fits)),
        min(map(len, quotes)) / 48,
        max(map(len, quotes)) / 48,
    ]
    for facet in FACETS:
        seen = [facets[facet] for facets in about]
        out += [float(all(seen)), float(any(seen))]
    found: Floats = np.minimum(np.array(out), 2.0)
    return found


PAIR_SIZE = len(FACETS) * len(RELATIONS) + len(ATTRIBUTES) * len(STATES) + 8 + 17
QUOTE_SIZE = 10 + 2 * len(FACETS)
FEATURES = PAIR_SIZE + QUOTE_SIZE


def features(claim: Claim) -> Floats:
    """All evidence of a claim [``FEATURES``]; neither its verdict nor its attribute is part of it."""
    found: Floats = np.concatenate([_cached_pair(claim), quote_features(claim)])
    return found


_PAIRS: dict[tuple[object, ...], Floats] = {}
_MOST_PAIRS = 20_000


def _cached_pair(claim: Claim) -> Floats:
    key = tuple(
        (side.title, side.brand, side.model_number, side.description, side.gtin, side.price, side.currency)
        for side in (claim.left, claim.right)
    )
    found = _PAIRS.get(key)
    if found is None:
        if len(_PAIRS) >= _MOST_PAIRS:
            _PAIRS.clear()
        found = _PAIRS[key] = pair_features(claim.left, claim.right)
    return found


def only_here(offer: Offer, other: Offer, limit: int = 6) -> str:
    """What the listing states that the other does not, facet by facet, as short text for an encoder."""
    mine, theirs = stated(offer), stated(other)
    parts = []
    for facet in ("brand", "code", "measure", "number", "colour", "pack", "edition"):
        values = sorted(mine.values[facet] - theirs.values[facet])[:2]
        if values:
            parts.append(f"{facet} {' '.join(values)}")
    return ", ".join(parts[:limit])


def rendered(claim: Claim) -> tuple[str, str]:
    """Both sides as an encoder reads them, the smaller text first, so that the order of a pair cannot matter.

    The verdict and its attribute are not in the text: the head is asked for them (:mod:`train.judges.model`).
    """
    sides = []
    for offer, other, quote in (
        (claim.left, claim.right, claim.quote_left),
        (claim.right, claim.left, claim.quote_right),
    ):
        text = f"{quotable(offer)[:110]} ; only here {only_here(offer, other) or 'nothing'}"
        sides.append(f"{text} ; quote {clean(quote)[:48]}" if quote else text)
    first, second = sorted(sides)
    return first, second
