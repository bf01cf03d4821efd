"""Attribute verdicts derived from the listings and the label alone, where no teacher wrote a rationale.

The rule: a match makes every attribute that *both* listings state ``same``; a non-match makes an attribute
``different`` only where brand, code, unit, colour or pack evidence conflicts; equal stated brands are ``same`` either
way. What cannot be derived is left out and masked in the loss: it is never called ``unknown``.
"""

from __future__ import annotations

from schemas.evidence import DESCRIPTION_CHARS, by_unit, compare, conflicting_units, view
from schemas.identifiers import normalise_code
from schemas.offer import Offer
from schemas.prompt import quotable
from schemas.rationale import Attribute, Verdict
from schemas.stated import COLOURS, colours, packs
from schemas.text import clean
from train.rationales.verdicts import SentenceTarget, Targets


def _brand(offer: Offer, known: frozenset[str]) -> str | None:
    """The stated brand: the field, else a title's first word when it is a known brand."""
    if offer.brand and (brand := clean(offer.brand)):
        return brand
    first = clean(offer.title).split()[:1]
    return first[0] if first and first[0] in known else None


def _brands_agree(a: str, b: str, left: Offer, right: Offer) -> bool:
    """Whether one brand contains the other or stands in the other's title ("hp" against "hewlett packard" does not)."""
    squashed_a, squashed_b = normalise_code(a), normalise_code(b)
    return bool(
        squashed_a in squashed_b or squashed_b in squashed_a
        or squashed_a in normalise_code(clean(right.title)) or squashed_b in normalise_code(clean(left.title))
    )  # fmt: skip


def _word_of_code(listing: str, code: str) -> str | None:
    return next((word for word in listing.split() if normalise_code(word) == code), None)


def derive(left: Offer, right: Offer, label: int, brands: frozenset[str]) -> Targets:
    """Targets of a pair with no rationale.

    Args:
        left, right: the offers.
        label: 1 same product, 0 not.
        brands: single-word brands known from brand fields of the training data, clean.
    """
    verdicts: dict[Attribute, Verdict] = {}
    sentences: list[SentenceTarget] = []
    text_left, text_right = (clean(f"{o.title} {o.description or ''}", DESCRIPTION_CHARS) for o in (left, right))
    quote_left, quote_right = quotable(left), quotable(right)
    match = label == 1

    brand_left, brand_right = _brand(left, brands), _brand(right, brands)
    if brand_left and brand_right:
        if _brands_agree(brand_left, brand_right, left, right):
            verdicts["brand"] = "same"
        elif not match:
            verdicts["brand"] = "different"
            if brand_left in quote_left.split() and brand_right in quote_right.split():
                sentences.append(SentenceTarget("brand", brand_left, brand_right))

    evidence, view_left, view_right = compare(left, right), view(left), view(right)
    if match:
        verdicts["product"] = "same"
        for code in sorted(view_left.codes & view_right.codes, key=lambda item: (-len(item), item)):
            a, b = _word_of_code(quote_left, code), _word_of_code(quote_right, code)
            if a and b:
                sentences.append(SentenceTarget("product", a, b))
                break
    elif verdicts.get("brand") == "different":
        verdicts["product"] = "different"
    elif (
        evidence.codes_only_a
        and evidence.codes_only_b
        and not evidence.codes_shared
        and not evidence.codes_inside
        and evidence.near_codes < 2
    ):
        verdicts["product"] = "different"
        for a, b in _first_code_words(
            quote_left, quote_right, view_left.codes - view_right.all_codes, view_right.codes - view_left.all_codes
        ):
            sentences.append(SentenceTarget("product", a, b))
            break

    _compare_sets(verdicts, "variant", colours(text_left), colours(text_right), match)
    _compare_sets(verdicts, "quantity", packs(text_left), packs(text_right), match)
    units_left, units_right = by_unit(view_left.measures), by_unit(view_right.measures)
    if match and any(units_left[unit] & units_right[unit] for unit in units_left.keys() & units_right.keys()):
        verdicts["specification"] = "same"
    elif not match and conflicting_units(view_left.measures, view_right.measures):
        verdicts["specification"] = "different"
    if not match and verdicts.get("variant") == "different":
        a, b = _colour_word(quote_left), _colour_word(quote_right)
        if a and b and a != b:
            sentences.append(SentenceTarget("variant", a, b))
    return Targets(verdicts, sentences[0] if sentences else None)


def _compare_sets(
    verdicts: dict[Attribute, Verdict], name: Attribute, left: frozenset[str], right: frozenset[str], match: bool
) -> None:
    if not left or not right:
        return
    if match:
        verdicts[name] = "same"
    elif not left & right:
        verdicts[name] = "different"


def _first_code_words(
    left: str, right: str, codes_left: frozenset[str], codes_right: frozenset[str]
) -> list[tuple[str, str]]:
    words_left = [
        word for code in sorted(codes_left, key=lambda c: (-len(c), c)) if (word := _word_of_code(left, code))
    ]
    words_right = [
        word for code in sorted(codes_right, key=lambda c: (-len(c), c)) if (word := _word_of_code(right, code))
    ]
    return list(zip(words_left, words_right, strict=False))


def _colour_word(listing: str) -> str | None:
    return next((word for word in listing.split() if word in COLOURS), None)
