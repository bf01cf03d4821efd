"""Seller noise: what shops do to a listing without changing what is sold.

Every kind of noise is a pure function of an offer, a random generator and a word list. None touches what tells
products apart: codes (but for their formatting), numbers with units (but for their rewriting), pack sizes, colours,
and words that name an edition.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from schemas.identifiers import MIN_CODE_CHARS, codes, is_code, normalise_code
from schemas.offer import Offer
from schemas.stated import COLOURS
from schemas.text import clean
from train.pairs.wordlists import TRAINING, WELL_KNOWN_BRANDS, WordList

Noise = Callable[[Offer, random.Random, WordList], Offer]

# A word that names an edition, a fit or what is included tells two products apart although it is no code.
_EDITION_NAMES = """
    pro plus mini max lite ultra super premium deluxe standard basic home professional student academic teacher
    enterprise business office server upgrade full version edition license licence user mac macintosh windows win pc
    linux vista xp men mens women womens kids boys girls left right front rear top bottom with without no kit body only
    lens bundle set pack twin double triple single case cover refill combo dual quad wireless wired bluetooth digital
    small medium large xl xs long short wide narrow high low one two three four five six
    ii iii iv v vi vii viii ix x s
"""
_EDITIONS = frozenset(_EDITION_NAMES.split())
# Fewer words than this and each of them may be the one that names the product.
MIN_WORDS_TO_DROP = 7
MIN_WORDS_LEFT = 2
# Shorter words are units, series and abbreviations: usm, evo, mhz.
MIN_DROPPED_CHARS = 4

_GLUED = r"(?<![\w.,/&+-])(\d{1,4}(?:\.\d{1,2})?)"
_UNIT = "(gb|tb|mb|mhz|ghz|mm|cm|mah|inch|kg|ml|oz|ft|mp|w|v|g|l)"
_SPACED = re.compile(rf"{_GLUED} {_UNIT}\b")
_JOINED = re.compile(rf"{_GLUED}{_UNIT}\b")
_INCH = re.compile(rf"{_GLUED}(?: ?inch| ?inches|-inch|in)(?![\w-])")
_TERABYTES = re.compile(r"(?<![\w.,/&+-])([1-9]) ?tb\b")
_GIGABYTES = re.compile(r"(?<![\w.,/&+-])([1-9])000 ?gb\b")
_MILLIMETRES = re.compile(r"(?<![\w.,/&+-])([1-9]\d?)0 ?mm\b")
_CENTIMETRES = re.compile(r"(?<![\w.,/&+-])([1-9]\d?) ?cm\b")
# Nobody writes a focal length in centimetres.
_OPTICS = re.compile(r"\b(?:lens|lenses|zoom|nikkor|macro|objektiv|telephoto|f/?\d[\d.]*|ef|ef-s|dslr)\b")
_LETTERS_DIGITS = re.compile(r"(?<=[a-z])(?=\d{2,})")


def _retitled(offer: Offer, title: str) -> Offer:
    """The offer with another title; a title without a word is refused and the offer stays as it is."""
    return offer.model_copy(update={"title": title.strip()[:2_000]}) if clean(title) else offer


def promotion(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """A promotion before or after the title."""
    phrase, title = rng.choice(words.promotions), clean(offer.title)
    return _retitled(offer, f"{phrase} {title}" if rng.random() < 0.4 else f"{title} {phrase}")


def tag(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """A region, plug or platform tag after the title, often in brackets."""
    phrase, title = rng.choice(words.tags), clean(offer.title)
    return _retitled(offer, f"{title} {rng.choice((phrase, f'({phrase})', f'- {phrase}', f'| {phrase}'))}")


def _is_plain(word: str, brand: str) -> bool:
    """Whether a word may go: letters alone, and none that names brand, colour or edition."""
    return (
        word.isascii()
        and word.isalpha()
        and len(word) >= MIN_DROPPED_CHARS
        and word not in COLOURS
        and word not in _EDITIONS
        and word not in WELL_KNOWN_BRANDS
        and word not in brand.split()
    )


def drop_words(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """The title without one or two plain words; short titles and first words stay."""
    title = clean(offer.title).split()
    if len(title) < MIN_WORDS_TO_DROP:
        return offer
    brand = clean(offer.brand or "")
    # A word beside a number may be its unit or what it counts.
    plain = [
        place
        for place in range(2, len(title))
        if _is_plain(title[place], brand)
        and not any(char.isdigit() for near in title[place - 1 : place + 2] for char in near)
    ]
    gone = set(rng.sample(plain, min(len(plain), rng.choice((1, 1, 2)))))
    return _retitled(offer, " ".join(word for place, word in enumerate(title) if place not in gone))


def rewrite_units(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """Numbers with units written another way, the same way all over the title: 512gb and 512 gb, 1tb and 1000gb."""
    title = clean(offer.title)
    rewritings: list[Callable[[str], str]] = [
        lambda text: _SPACED.sub(r"\1\2", text),
        lambda text: _JOINED.sub(r"\1 \2", text),
        lambda text: _INCH.sub(rng.choice((r"\1in", r"\1 inch", r"\1-inch", r"\1inch", r'\1"')), text),
        lambda text: _TERABYTES.sub(r"\g<1>000gb", text),
        lambda text: _GIGABYTES.sub(r"\1tb", text),
    ]
    if not _OPTICS.search(title):
        rewritings += [
            lambda text: _MILLIMETRES.sub(r"\1cm", text),
            lambda text: _CENTIMETRES.sub(r"\g<1>0mm", text),
        ]
    changed = [text for rewrite in rewritings if (text := rewrite(title)) != title]
    return _retitled(offer, rng.choice(changed)) if changed else offer


def reorder(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """The title's words rotated at a place that parts no number from its neighbour."""
    title = clean(offer.title).split()
    places = [
        place
        for place in range(1, len(title))
        if not any(char.isdigit() for char in title[place - 1] + title[place])
        and title[place - 1] not in _EDITIONS and title[place] not in _EDITIONS
    ]  # fmt: skip
    if not places:
        return offer
    place = rng.choice(places)
    return _retitled(offer, " ".join([*title[place:], *title[:place]]))


def _reformatted(word: str, rng: random.Random) -> str:
    if not is_code(code := normalise_code(word)):
        return word
    forms = [code, code.upper()]
    if parted := _LETTERS_DIGITS.sub("-", code, count=1):
        forms.append(parted)
    return rng.choice([form for form in forms if form != word] or [word])


def reformat_codes(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """Codes with other separators or letter case: dsc-w120 and dscw120."""
    changed = _retitled(offer, " ".join(_reformatted(word, rng) for word in clean(offer.title).split()))
    if offer.model_number:
        changed = changed.model_copy(update={"model_number": _reformatted(clean(offer.model_number), rng)})
    return changed


def recase(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """Another letter case, and commas or bars between the words of some titles."""
    title = clean(offer.title)
    form = rng.choice((str.upper, str.title, str.capitalize))(title)
    if rng.random() < 0.3:
        parts = form.split()
        place = rng.randrange(1, len(parts)) if len(parts) > 1 else 0
        form = " ".join(parts[:place]) + rng.choice((" - ", " | ", ", ")) + " ".join(parts[place:]) if place else form
    return _retitled(offer, form)


def move_code(offer: Offer) -> Offer:
    """The longest code of the title moved to ``model_number``, where a title of two words or more is left.

    An offer with a model number or without a code is returned as it is.
    """
    found = codes(clean(offer.title))
    if offer.model_number or not found:
        return offer
    best = max(found, key=lambda code: (len(code), code))
    words = offer.title.split()
    rest = [word for word in words if best not in codes(clean(word))]
    if len(rest) < MIN_WORDS_LEFT or len(rest) == len(words) or not clean(" ".join(rest)):
        return offer
    moved = next(word for word in words if best in codes(clean(word)))
    return offer.model_copy(update={"title": " ".join(rest), "model_number": clean(moved)})


def code_to_field(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """:func:`move_code` as a kind of noise."""
    return move_code(offer)


def drop_brand(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """The offer without its brand field."""
    return offer.model_copy(update={"brand": None})


def drop_price(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """The offer without its price."""
    return offer.model_copy(update={"price": None, "currency": None})


def drop_description(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """The offer without its description, where title or model number still name a code or five words."""
    named = len(clean(offer.title).split()) >= 5 or len(normalise_code(offer.model_number or "")) >= MIN_CODE_CHARS
    return offer.model_copy(update={"description": None}) if named else offer


def foreign_text(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """A text that says nothing of the product, before, after or inside the title: what stands there is data."""
    if not words.foreign:
        return offer
    title = clean(offer.title).split()
    # Seldom in front, where it pushes the product out of what the prompt shows.
    place = rng.choice((len(title), len(title), len(title), rng.randrange(len(title) + 1), 0)) if title else 0
    while 0 < place < len(title) and title[place - 1][-1:].isdigit():
        place += 1  # never between a number and its unit
    return _retitled(offer, " ".join([*title[:place], rng.choice(words.foreign), *title[place:]]))


def foreign_field(offer: Offer, rng: random.Random, words: WordList) -> Offer:
    """Such a text after the brand or the description, or as a model number where there is none."""
    if not words.foreign:
        return offer
    name = rng.choice(("brand", "description") if offer.model_number else ("brand", "model_number", "description"))
    return offer.model_copy(update={name: f"{getattr(offer, name) or ''} {rng.choice(words.foreign)}".strip()})


# Each kind with its chance in one noisy offer; applied in this order. A code moves in as many offers as bring the
# training mixture, of which a quarter have it moved for good, to a third.
WORDING: dict[str, tuple[Noise, float]] = {
    "drop words": (drop_words, 0.3),
    "units": (rewrite_units, 0.5),
    "order": (reorder, 0.3),
    "code format": (reformat_codes, 0.35),
    "model field": (code_to_field, 0.75),
    "foreign text": (foreign_text, 0.15),
    "promotion": (promotion, 0.35),
    "tag": (tag, 0.25),
    "case": (recase, 0.3),
}
FIELDS: dict[str, tuple[Noise, float]] = {
    "foreign field": (foreign_field, 0.15),
    "drop brand": (drop_brand, 0.15),
    "drop price": (drop_price, 0.3),
    "drop description": (drop_description, 0.2),
}


def noisy(offer: Offer, rng: random.Random, words: WordList = TRAINING, *, fields: bool = True) -> Offer:
    """The same product as another seller might list it.

    Args:
        offer: the listing.
        rng: every choice comes from it.
        words: what is added.
        fields: whether brand, price or description may go, or be added to.
    """
    for noise, chance in [*WORDING.values(), *(FIELDS.values() if fields else ())]:
        if rng.random() < chance:
            offer = noise(offer, rng, words)
    return offer
