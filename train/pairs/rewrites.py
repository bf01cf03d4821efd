"""What an edit replaces in a listing: brand, model number, pack size, colour, capacity, or edition and version.

Each finder looks at two listings of one product and names the replacement for the first, or None where the two do not
both state the attribute, and equally. Pure functions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Literal, get_args

from schemas.identifiers import codes, measures, normalise_code
from schemas.offer import Offer
from schemas.prompt import quotable
from schemas.rationale import Attribute
from schemas.stated import COLOURS, COUNTED, HOLDERS, colours, packs
from schemas.text import clean, unrepeated
from train.pairs.wordlists import WELL_KNOWN_BRANDS, WordList

EditKind = Literal["brand", "model", "pack", "colour", "capacity", "edition"]
EDIT_KINDS: tuple[EditKind, ...] = get_args(EditKind)
ATTRIBUTE_OF: dict[EditKind, Attribute] = {
    "brand": "brand",
    "model": "product",
    "pack": "quantity",
    "colour": "variant",
    "capacity": "specification",
    "edition": "variant",
}
# Words of one group exclude each other: an offer is for one system, one size, one kind of customer.
_EDITION_GROUPS = """
    home professional premium ultimate business enterprise basic standard deluxe student academic starter advanced
    windows mac linux
    small medium large
    mens womens kids
    left right
    wired wireless
"""
_EDITIONS = tuple(frozenset(line.split()) for line in _EDITION_GROUPS.strip().splitlines())
# Years and releases; any other bare number may be part of a name, a measure or a count. A sale has a year too, and the
# releases of interfaces are shared by products that have nothing else in common.
_RELEASE = re.compile(
    r"(?<!friday )(?<!monday )(?<!usb )(?<!dect )(?<!bluetooth )(?<!hdmi )(?<!sata )(?<!pcie )(?<![\w.,/$-])"
    r"((?:199|20[01])\d|\d{1,2}\.0)"
    r"(?![\w,/-]|\.\d| ?(?:gb|tb|mb|mm|cm|inch|in|mp|ghz|mhz|x|prices|usb)\b)"
)
# Shorter codes and these families (memory types, interfaces, resolutions) name a property, not a product.
MIN_EDITED_CODE_CHARS = 5
_FAMILY = re.compile(
    r"^(?:ddr|gddr|lpddr|usb|pc\d|lga|sata|pcie|hdmi|cat\d|win|mp\d|wifi|mpeg|class|uhs|cl\d|am\d|socket|\d+p$|\d+x|x\d|"
    r"80211|f\d|h26|ipv|bluetooth|mac|office|20[0-2]\d|19\d\d)"
)
_UNITS = "gb tb mb inch mm cm mp w mah ghz mhz oz ml l kg g ft port btu v"
_CAPACITY_UNITS = frozenset(_UNITS.split())
_UNIT_FORMS = {
    "inch": "inch|in|inches",
    "mp": "mp|megapixels?|mega",
    "port": "ports?",
    "w": "w|watts?",
    "v": "v|volts?",
}


@dataclass(frozen=True)
class Rewrite:
    """A replacement in all texts of one offer. ``old`` and ``new`` are the words that a sentence may quote."""

    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str]
    old: str = ""
    new: str = ""

    def text(self, text: str) -> str:
        return self.pattern.sub(self.replace, text)

    def apply(self, offer: Offer) -> Offer:
        """The offer with the replacement in title, brand, model number and description, each cleaned if it changed."""
        update: dict[str, str] = {}
        for name in ("title", "brand", "model_number", "description"):
            value = getattr(offer, name)
            if value and (changed := self.text(before := clean(value))) != before:
                update[name] = changed
        return offer.model_copy(update=update) if update else offer


def _word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9]){re.escape(text)}(?![a-z0-9])")


def _listing(offer: Offer) -> str:
    return " ".join(clean(value) for value in (offer.brand, offer.title, offer.model_number) if value)


def everything(offer: Offer) -> str:
    return f"{_listing(offer)} {clean(offer.description or '')}"


def _always(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


def stated_brand(left: Offer, right: Offer, brands: Collection[str]) -> str | None:
    """The brand that both listings state in brand field or title, or None."""
    named = [clean(offer.brand) for offer in (left, right) if offer.brand]
    named += [
        word
        for offer in (left, right)
        for word in clean(offer.title).split()[:4]
        if word in brands or word in WELL_KNOWN_BRANDS
    ]
    return next(
        (brand for brand in named if brand and all(_word(brand).search(_listing(side)) for side in (left, right))), None
    )


def _brand_edit(
    edited: Offer, other: Offer, rng: random.Random, words: WordList, brands: Collection[str]
) -> Rewrite | None:
    brand = stated_brand(edited, other, brands)
    if brand is None:
        return None
    text = everything(edited) + everything(other)
    pool = [name for name in words.brands if name not in text and name not in brand and brand not in name]
    if not pool:
        return None
    new = rng.choice(pool)
    return Rewrite(_word(brand), _always(new), brand, new)


def shared_code(left: Offer, right: Offer) -> str | None:
    """The one model number that both listings name, normalised, as far as it is common to both; None if there is none.

    None too where they share a second, unrelated one: then a change of one of them leaves the product in doubt.
    """
    found: list[set[str]] = []
    for offer in (left, right):
        own = set(codes(clean(offer.title)))
        if offer.model_number:
            own.add(normalise_code(clean(offer.model_number)))
        found.append({code for code in own if len(code) >= MIN_EDITED_CODE_CHARS and not _FAMILY.match(code)})
    shared = {min(a, b, key=len) for a in found[0] for b in found[1] if a in b or b in a}
    if not shared:
        return None
    best = max(shared, key=lambda code: (len(code), code))
    if not any(char.isdigit() for char in best) or any(code not in best and best not in code for code in shared):
        return None
    return best


def changed_code(code: str, rng: random.Random) -> str:
    """The code with one digit, or sometimes a letter that is not its last character, replaced by another."""
    digits = [place for place, char in enumerate(code) if char.isdigit()]
    letters = [place for place, char in enumerate(code[:-1]) if char.isalpha()]
    place = rng.choice(letters) if letters and (not digits or rng.random() < 0.2) else rng.choice(digits)
    alphabet = "0123456789" if code[place].isdigit() else "abcdefghjkmnprstvwxyz"
    new = rng.choice([char for char in alphabet if char != code[place] and not (place == 0 and char == "0")])
    return code[:place] + new + code[place + 1 :]


def _model_edit(
    edited: Offer, other: Offer, rng: random.Random, words: WordList, brands: Collection[str]
) -> Rewrite | None:
    code = shared_code(edited, other)
    if code is None:
        return None
    new = changed_code(code, rng)
    inner = "[^0-9a-z ]?".join(code)
    pattern = re.compile(rf"(?<!\d){inner}(?!\d)" if code.isdigit() else inner)

    def rewritten(match: re.Match[str]) -> str:
        chars = iter(new)
        return "".join(next(chars) if re.match("[0-9a-z]", char) else char for char in match[0])

    rewrite = Rewrite(pattern, rewritten)
    old_word, new_word = (
        next((word for word in quotable(offer).split() if target in normalise_code(word)), "")
        for offer, target in ((other, code), (rewrite.apply(edited), new))
    )
    return replace(rewrite, old=old_word, new=new_word)


def pack_number(offer: Offer) -> str | None:
    """The one pack size that the title states, as digits; None where it states none or several."""
    found = packs(clean(offer.title))
    return next(iter(found)) if len(found) == 1 else None


def with_phrase(offer: Offer, phrase: str, rng: random.Random) -> Offer | None:
    """The offer with a phrase after its title, in brackets or not, or before it; None where the prompt would cut it."""
    title = clean(offer.title)
    forms = [f"{title} {phrase}", f"{title} ({phrase})", f"{title} - {phrase}", f"{phrase} {title}"]
    rng.shuffle(forms)
    placed = (offer.model_copy(update={"title": form}) for form in forms)
    return next((found for found in placed if is_shown(found, phrase)), None)


def is_shown(offer: Offer, words: str) -> bool:
    """Whether words stand in the part of a listing that the prompt shows, which is cut and repeats no word."""
    return bool(words) and words in unrepeated(quotable(offer))


def _pack_edit(
    edited: Offer, other: Offer, rng: random.Random, words: WordList, brands: Collection[str]
) -> Rewrite | None:
    number = pack_number(edited)
    if number is None or number != pack_number(other):
        return None
    new = str(rng.choice([size for size in words.pack_sizes if str(size) != number]))
    before, after = rf"\b(?:{HOLDERS}) of ", rf"[ -]?(?:{COUNTED})\b"
    pattern = re.compile(rf"(?P<before>{before}){number}\b|(?<![\w.]){number}(?P<after>{after})")

    def rewritten(match: re.Match[str]) -> str:
        return f"{match['before'] or ''}{new}{match['after'] or ''}"

    mine, theirs = (pattern.search(quotable(offer)) for offer in (edited, other))
    return Rewrite(pattern, rewritten, theirs[0] if theirs else "", rewritten(mine) if mine else "")


def _colour_word(offer: Offer) -> str | None:
    """The one colour word of the title; None where there is none or several."""
    title = clean(offer.title)
    found = [word for word in title.split() if word in COLOURS]
    return found[0] if len(found) == 1 and len(colours(title)) == 1 else None


def _colour_edit(
    edited: Offer, other: Offer, rng: random.Random, words: WordList, brands: Collection[str]
) -> Rewrite | None:
    mine, theirs = _colour_word(edited), _colour_word(other)
    if mine is None or theirs is None or colours(mine) != colours(theirs):
        return None
    taken = colours(everything(edited)) | colours(everything(other))
    pool = [name for name in words.colours if not colours(name) & taken]
    if not pool:
        return None
    new = rng.choice(pool)
    names = sorted(name for name in COLOURS if colours(name) == colours(mine))
    pattern = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(names)})(?![a-z0-9])")
    return Rewrite(pattern, _always(new), theirs, new)


def _quantities(offer: Offer) -> dict[str, tuple[str, str]]:
    """Measures of the title that are capacities, sizes or the like: canonical text to (number, unit)."""
    found: dict[str, tuple[str, str]] = {}
    for measure in measures(clean(offer.title)):
        match = re.fullmatch(r"([\d.]+)([a-z]+)", measure)
        if match and match[2] in _CAPACITY_UNITS:
            found[measure] = (match[1], match[2])
    return found


def _other_number(number: str, unit: str, rng: random.Random) -> str:
    value = float(number)
    if unit in ("gb", "tb", "mb") or value >= 64:
        changed = value * rng.choice([2, 4, 0.5] if value >= 2 and value % 2 == 0 else [2, 3, 4])
    else:
        changed = value + rng.choice([1, 2, 3, 5]) * (1 if value < 10 or rng.random() < 0.6 else -1)
    return f"{changed:.2f}".rstrip("0").rstrip(".")


def _capacity_edit(
    edited: Offer, other: Offer, rng: random.Random, words: WordList, brands: Collection[str]
) -> Rewrite | None:
    mine, theirs = _quantities(edited), _quantities(other)
    shared = sorted(mine.keys() & theirs.keys())
    if not shared:
        return None
    number, unit = mine[rng.choice(shared)]
    new = _other_number(number, unit, rng)
    taken = {*measures(everything(edited)), *measures(everything(other))}
    if float(new) <= 0 or f"{new}{unit}" in taken:
        return None
    if unit == "gb" and float(number) % 1000 == 0 and f"{float(number) / 1000:g}tb" in taken:
        return None
    decimals = "" if "." in number else r"(?:\.0)?"
    pattern = re.compile(
        rf"(?<![\w.,/&+-]){re.escape(number)}{decimals}(?P<rest>[ -]?(?:{_UNIT_FORMS.get(unit, unit)})\b)"
    )
    word = next((match[0] for match in pattern.finditer(quotable(other))), "")
    changed = f"{new}{match['rest']}" if (match := pattern.search(quotable(edited))) else ""
    return Rewrite(pattern, lambda match: f"{new}{match['rest']}", word, changed)


def _edition_edit(
    edited: Offer, other: Offer, rng: random.Random, words: WordList, brands: Collection[str]
) -> Rewrite | None:
    mine, theirs = (set(clean(offer.title).split()) for offer in (edited, other))
    found: list[tuple[str, str]] = []
    for group in _EDITIONS:
        stated = mine & group
        if "mac" in stated and "apple" in mine | theirs:
            continue  # the machine, not the system that a program is for
        pool = sorted(group & set(words.editions) - mine - theirs)
        if len(stated) == 1 and stated == theirs & group and pool:
            found.append((next(iter(stated)), rng.choice(pool)))
    releases = [set(_RELEASE.findall(clean(offer.title))) for offer in (edited, other)]
    if len(releases[0]) == 1 and releases[0] == releases[1]:
        release = next(iter(releases[0]))
        step = rng.choice((-2, -1, 1, 2, 3))
        moved = f"{float(release) + step:.1f}" if "." in release else str(int(release) + step)
        if float(moved) > 0:
            found.append((release, moved))
    if not found:
        return None
    old, new = rng.choice(found)
    return Rewrite(re.compile(rf"(?<![\w.]){re.escape(old)}(?!\w|\.\d)"), _always(new), old, new)


Finder = Callable[[Offer, Offer, random.Random, WordList, Collection[str]], Rewrite | None]
# What to change in the first offer, given the second; None where both do not state the same.
REWRITES: dict[EditKind, Finder] = {
    "brand": _brand_edit,
    "model": _model_edit,
    "pack": _pack_edit,
    "colour": _colour_edit,
    "capacity": _capacity_edit,
    "edition": _edition_edit,
}
