"""What names a product by itself: GTINs, model numbers and the codes that titles hide.

Formula: the GTIN check digit is GS1 General Specifications, section 7.9 (weights 3 and 1 from the right).
Pure functions, no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from schemas.text import clean

if TYPE_CHECKING:
    from schemas.offer import Offer

GTIN_LENGTHS = (8, 12, 13, 14)
# Shorter codes ("x2", "4k", "v8") are shared by thousands of products and identify none.
MIN_CODE_CHARS = 4
# A digit string this long is a part number; shorter ones are sizes, years and capacities.
MIN_DIGIT_CODE_CHARS = 5
MAX_CODE_CHARS = 24

# "1,000" is a thousand; "2,5" is two and a half.
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))")
_SEPARATORS = re.compile(r"[-/.+:&',%]")
_NOT_ALNUM = re.compile(r"[^0-9a-z]")
# A number with its unit glued on ("500gb", "1080p", "7.2mp", "60hz") is a specification, not a model number.
MEASURE = re.compile(
    r"(?P<value>\d+(?:[.,]\d+)?)[ -]?(?P<unit>tb|gb|mb|kb|ghz|mhz|khz|hz|mm|cm|km|m|inch|in|ft|mp|megapixels?|mega|"
    r"w|watts?|kw|v|volts?|ah|mah|wh|kg|g|mg|lbs?|oz|l|ml|liters?|litres?|cu|btu|db|x|p|k|rpm|bit|bits|dpi|ppm|"
    r"port|ports|pin|core|cores|way|channel|ch|user|users|pack|pk|pcs|pc|ct|count|inches|hours?|hrs?|min|days?|years?|yr|"
    r"pages?|sheets?|th|st|nd|rd|gen|gbps|mbps|gbs|mbs|feet|foot|cups?|qt|quart|gallon|speed|disc|discs|cd|dvd)\b"
)
_PURE_MEASURE = re.compile(rf"(?:{MEASURE.pattern.replace('?P<value>', '').replace('?P<unit>', '')})")


def gtin14(text: str) -> str | None:
    """The 14-digit form of a GTIN-8, -12, -13 or -14, or ``None`` when it is not one or its check digit is wrong."""
    digits = re.sub(r"[\s-]", "", text)
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in GTIN_LENGTHS or not int(digits):
        return None
    padded = digits.zfill(14)
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(padded[:13]))
    return padded if (10 - total % 10) % 10 == int(padded[13]) else None


def normalise_code(text: str) -> str:
    """A model number as it is compared: lower case, letters and digits only ("DSC-W120/P" is "dscw120p")."""
    return _NOT_ALNUM.sub("", text.lower())


def is_code(token: str) -> bool:
    """Whether a normalised token looks like a model number and not like a word or a measure."""
    if not MIN_CODE_CHARS <= len(token) <= MAX_CODE_CHARS or not token.isascii():
        return False
    if token.isdigit():
        return len(token) >= MIN_DIGIT_CODE_CHARS
    if token.isalpha():
        return False
    return _PURE_MEASURE.fullmatch(token) is None


def codes(text: str) -> list[str]:
    """Normalised codes in a clean text, in order, without repetition."""
    return list(dict.fromkeys(code for token in text.split() if is_code(code := normalise_code(token))))


def measures(text: str) -> list[str]:
    """Numbers of a clean text with their units ("500gb", "2.5inch"), or bare; in order, without repetition."""
    found: list[str] = []
    rest = text
    for match in MEASURE.finditer(text):
        start = match.start()
        if start and (text[start - 1].isalnum() or text[start - 1] in ".-"):
            continue
        found.append(f"{_number(match['value'])}{_unit(match['unit'])}")
    rest = MEASURE.sub(" ", text)
    for token in rest.split():
        for part in _SEPARATORS.split(token) if not re.fullmatch(r"\d+[.,]\d+", token) else [token]:
            if (
                part
                and part[0].isdigit()
                and re.fullmatch(r"\d+(?:[.,]\d+)?", part)
                and len(part) < MIN_DIGIT_CODE_CHARS
            ):
                found.append(_number(part))
    return list(dict.fromkeys(found))


_UNITS = {
    "inches": "inch",
    "in": "inch",
    "watts": "w",
    "watt": "w",
    "volts": "v",
    "volt": "v",
    "megapixel": "mp",
    "megapixels": "mp",
    "mega": "mp",
    "lbs": "lb",
    "litre": "l",
    "litres": "l",
    "liter": "l",
    "liters": "l",
    "bits": "bit",
    "ports": "port",
    "cores": "core",
    "users": "user",
    "pk": "pack",
    "feet": "ft",
    "foot": "ft",
    "pcs": "pc",
    "count": "ct",
    "hour": "h",
    "hours": "h",
    "hr": "h",
    "hrs": "h",
    "year": "yr",
    "years": "yr",
    "cups": "cup",
    "pages": "page",
    "sheets": "sheet",
    "discs": "disc",
    "days": "day",
    "quart": "qt",
    "ch": "channel",
}


def _unit(unit: str) -> str:
    return _UNITS.get(unit, unit)


def _number(text: str) -> str:
    text = _THOUSANDS.sub("", text).replace(",", ".")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.lstrip("0") or "0"


def offer_codes(offer: Offer) -> list[str]:
    """Normalised model numbers of an offer: its field first, then the codes of its title."""
    named = (
        [code]
        if offer.model_number and len(code := normalise_code(clean(offer.model_number))) >= MIN_CODE_CHARS
        else []
    )
    return list(dict.fromkeys([*named, *codes(clean(offer.title))]))


def identifier_keys(offer: Offer) -> list[str]:
    """Blocking keys: ``gtin:<14 digits>`` when the check digit is right, and ``code:<normalised>`` for each code."""
    gtin = gtin14(offer.gtin) if offer.gtin else None
    return [*([f"gtin:{gtin}"] if gtin else []), *(f"code:{code}" for code in offer_codes(offer))]


def shared(left: Iterable[str], right: Iterable[str]) -> list[str]:
    """Members of ``left`` that ``right`` has too, in the order of ``left``."""
    others = set(right)
    return [item for item in left if item in others]
