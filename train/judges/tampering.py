"""How one attribute of one listing is changed beyond the edits that training uses (:mod:`train.pairs.edits`).

These are the kinds that a judge does not see in training: near codes, numbers off by one, other units, other names of
one brand or colour, pack words, editions added. Each takes a matching pair and gives both sides after the change, or
None where the pair does not offer it. Pure functions of a generator.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import partial

from schemas.identifiers import measures
from schemas.offer import Offer
from schemas.prompt import quotable
from schemas.rationale import Attribute
from schemas.stated import colours, packs
from schemas.text import clean
from train.pairs.edits import ATTRIBUTE_OF, EDIT_KINDS, EditKind, change
from train.pairs.rewrites import Rewrite, everything, is_shown, shared_code, stated_brand, with_phrase
from train.pairs.wordlists import WordList

UNITS = {
    "gb": "mb", "tb": "gb", "mb": "gb", "mm": "cm", "cm": "mm", "inch": "cm", "ml": "l", "l": "ml", "g": "kg",
    "kg": "g", "oz": "lb", "ft": "inch", "ghz": "mhz", "mhz": "ghz", "w": "v", "v": "w", "rpm": "mhz",
}  # fmt: skip
SYNONYMS = (
    ("hp", "hewlett packard"), ("wd", "western digital"), ("ge", "general electric"), ("lg", "lg electronics"),
    ("asus", "asustek"), ("tp-link", "tplink"), ("d-link", "dlink"), ("cm", "cooler master"), ("ms", "microsoft store"),
    ("black+decker", "black decker"), ("jbl", "jbl professional"), ("fuji", "fujifilm"), ("vw", "volks wagen"),
    ("th", "tommy hilfiger"), ("ck", "calvin klein"), ("nb", "new balance"), ("dw", "daniel wellington"),
)  # fmt: skip
COLOUR_NAMES = (
    ("black", "schwarz"), ("black", "noir"), ("white", "weiss"), ("white", "blanc"), ("red", "rouge"), ("grey", "gray"),
    ("blue", "azul"), ("gold", "golden"), ("black", "negro"), ("white", "bianco"),
)  # fmt: skip
PACK_WORDS = ("twin pack", "triple pack", "double pack", "case of {n}", "{n} ct", "{n}-pk", "sleeve of {n}")
EDITIONS = (
    ("pro", "lite"), ("mini", "max"), ("premium", "basic"), ("home", "business"), ("wired", "wireless"),
    ("mens", "womens"), ("small", "large"), ("left", "right"), ("windows", "mac"), ("2018", "2019"), ("2021", "2022"),
)  # fmt: skip


@dataclass(frozen=True)
class Tampered:
    """Both sides after the change, the attribute it is about, and whether both still agree on it."""

    left: Offer
    right: Offer
    attribute: Attribute
    same: bool


def _gtinless(offer: Offer) -> Offer:
    return offer.model_copy(update={"gtin": None}) if offer.gtin else offer


def _edited(kind: EditKind, left: Offer, right: Offer, rng: random.Random, words: WordList) -> Tampered | None:
    both = rng.random() < 0.2
    done = change(left, right, rng, kind, words, both=both)
    return None if done is None else Tampered(done.left, done.right, ATTRIBUTE_OF[kind], both)


def _rewritten(
    rewrite: Rewrite, left: Offer, right: Offer, rng: random.Random, attribute: Attribute
) -> Tampered | None:
    on_left = rng.random() < 0.5
    side = left if on_left else right
    after = rewrite.apply(side)
    if after == side or quotable(after) == quotable(side) or rewrite.pattern.search(everything(after)):
        return None
    return Tampered(*((after, right) if on_left else (left, after)), attribute, False)


def near_code(left: Offer, right: Offer, rng: random.Random, words: WordList) -> Tampered | None:
    """A model number with two neighbours exchanged, its last sign replaced, or a letter after it."""
    code = shared_code(left, right)
    if code is None:
        return None
    forms = [code + rng.choice("bcdkx")]
    last = code[-1]
    forms.append(code[:-1] + rng.choice([c for c in ("0123456789" if last.isdigit() else "abcdekx") if c != last]))
    places = [i for i in range(1, len(code) - 1) if code[i] != code[i + 1] and code[i : i + 2].isdigit()]
    if places:
        place = rng.choice(places)
        forms.append(code[:place] + code[place + 1] + code[place] + code[place + 2 :])
    new = rng.choice(forms)
    pattern = re.compile(rf"(?<![0-9a-z]){'[^0-9a-z ]?'.join(code)}(?![0-9a-z])")
    done = _rewritten(Rewrite(pattern, lambda _: new), left, right, rng, "product")
    return done and Tampered(_gtinless(done.left), _gtinless(done.right), "product", False)


def _shared_measures(left: Offer, right: Offer) -> list[tuple[str, str]]:
    shared = set(measures(clean(left.title))) & set(measures(clean(right.title)))
    parts = [re.fullmatch(r"([\d.]+)([a-z]+)", each) for each in sorted(shared)]
    return [(part[1], part[2]) for part in parts if part]


def _measure(number: str, unit: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.,/&+-]){re.escape(number)}(?P<blank>[ -]?){unit}(?![a-z0-9])")


def off_by_one(left: Offer, right: Offer, rng: random.Random, words: WordList) -> Tampered | None:
    """A measure one more or one less (the last digit it states)."""
    found = _shared_measures(left, right)
    if not found:
        return None
    number, unit = rng.choice(found)
    step = 10 ** -len(number.partition(".")[2])
    value = float(number) + rng.choice([-1, 1]) * step
    new = f"{value:.{len(number.partition('.')[2])}f}"
    if value <= 0 or f"{new.rstrip('0').rstrip('.')}{unit}" in measures(everything(left) + " " + everything(right)):
        return None
    pattern = _measure(number, unit)
    return _rewritten(Rewrite(pattern, lambda m: f"{new}{m['blank']}{unit}"), left, right, rng, "specification")


def unit_changed(left: Offer, right: Offer, rng: random.Random, words: WordList) -> Tampered | None:
    """The same number with another unit."""
    found = [each for each in _shared_measures(left, right) if each[1] in UNITS]
    if not found:
        return None
    number, unit = rng.choice(found)
    pattern = _measure(number, unit)
    other = UNITS[unit]
    return _rewritten(Rewrite(pattern, lambda m: f"{number}{m['blank']}{other}"), left, right, rng, "specification")


def _said(offer: Offer, phrase: str, rng: random.Random) -> Offer | None:
    return with_phrase(offer, phrase, rng)


def _two(left: Offer, right: Offer, one: str, two: str, rng: random.Random) -> tuple[Offer, Offer] | None:
    a, b = _said(left, one, rng), _said(right, two, rng)
    return None if a is None or b is None else (a, b)


def pack_off_by_one(left: Offer, right: Offer, rng: random.Random, words: WordList) -> Tampered | None:
    """Both sides state a pack; one has a piece more."""
    if packs(everything(left)) or packs(everything(right)):
        return None
    size = rng.randrange(2, 40)
    sizes = [size, size + 1] if rng.random() < 0.5 else [size + 1, size]
    form = rng.choice(words.packs)
    sides = _two(left, right, form.format(n=sizes[0]), form.format(n=sizes[1]), rng)
    return sides and Tampered(*sides, "quantity", False)


def pack_words(left: Offer, right: Offer, rng: random.Random, words: WordList) -> Tampered | None:
    """One side states a pack in words of its own."""
    if packs(everything(left)) or packs(everything(right)):
        return None
    on_left = rng.random() < 0.5
    phrase = rng.choice(PACK_WORDS).format(n=rng.choice((7, 8, 9, 15, 16, 18, 24)))
    packed = _said(left if on_left else right, phrase, rng)
    if packed is None:
        return None
    return Tampered(*((packed, right) if on_left else (left, packed)), "quantity", False)


def edition(left: Offer, right: Offer, rng: random.Random, words: WordList) -> Tampered | None:
    """Another edition, system, size or year: as listed, or where neither names one, said by both."""
    done = change(left, right, rng, "edition", words)
    if done is not None:
        return Tampered(done.left, done.right, "variant", False)
    one, two = rng.sample(rng.choice(EDITIONS), 2)
    taken = set(f"{everything(left)} {everything(right)}".split())
    if one in taken or two in taken:
        return None
    sides = _two(left, right, one, two, rng)
    return sides and Tampered(*sides, "variant", False)


def colour_language(left: Offer, right: Offer, rng: random.Random, words: WordList) -> Tampered | None:
    """One colour under two names."""
    if colours(everything(left)) or colours(everything(right)):
        return None
    one, two = rng.sample(rng.choice(COLOUR_NAMES), 2)
    sides = _two(left, right, one, two, rng)
    return sides and Tampered(*sides, "variant", True)


def _always(text: str, match: re.Match[str]) -> str:
    return text


def brand_synonym(left: Offer, right: Offer, rng: random.Random, words: WordList) -> Tampered | None:
    """One brand under two names."""
    brand = stated_brand(left, right, ())
    if brand is None:
        return None
    one, two = rng.sample(rng.choice(SYNONYMS), 2)
    pattern = re.compile(rf"(?<![a-z0-9]){re.escape(brand)}(?![a-z0-9])")
    sides = [Rewrite(pattern, partial(_always, name)).apply(side) for side, name in ((left, one), (right, two))]
    if any(not is_shown(side, name) for side, name in zip(sides, (one, two), strict=True)):
        return None
    return Tampered(sides[0], sides[1], "brand", True)


OWN = {
    "near-code": near_code,
    "off-by-one": off_by_one,
    "unit": unit_changed,
    "pack-off-by-one": pack_off_by_one,
    "pack-words": pack_words,
    "edition": edition,
    "colour-language": colour_language,
    "brand-synonym": brand_synonym,
}


SPECIFICATIONS = (
    "{n}gb", "{n} gb", "{n} mm", "{n}mm", "{n} inch", "{n}w", "{n} w", "{n} ml", "{n}cm", "{n} ghz", "{n} tb", "{n} kg",
)  # fmt: skip


def _specified(left: Offer, right: Offer, rng: random.Random) -> tuple[Offer, Offer]:
    """Both sides with one measure more where they share none: few listings state the same one."""
    if _shared_measures(left, right):
        return left, right
    phrase = rng.choice(SPECIFICATIONS).format(n=rng.choice((2, 4, 8, 12, 16, 24, 32, 40, 64, 120, 250, 500)))
    return _two(left, right, phrase, phrase, rng) or (left, right)


def tamper(name: str, left: Offer, right: Offer, rng: random.Random, words: WordList) -> Tampered | None:
    """One change by name: one of ``OWN`` or of ``EDIT_KINDS``; None where the pair does not offer it."""
    if name in ("capacity", "off-by-one", "unit"):
        left, right = _specified(left, right, rng)
    if name in OWN:
        return OWN[name](left, right, rng, words)
    kind = next((each for each in EDIT_KINDS if each == name), None)
    if kind is None:
        raise ValueError(f"no change {name!r} (known: {', '.join((*OWN, *EDIT_KINDS))})")
    return _edited(kind, left, right, rng, words)
