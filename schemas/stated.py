"""What a text states in words that a program can read: colours and pack sizes.

Rules, not a model: they derive training targets, and they say what wrong decisions have in common. Texts are clean
(`schemas.text.clean`).
"""

from __future__ import annotations

import re
from functools import lru_cache

_COLOUR_NAMES = """
    black white silver grey gray red blue green pink yellow orange purple violet gold golden brown beige titanium
    bronze graphite charcoal navy ivory cream chrome copper platinum rose turquoise teal magenta cyan lime
    burgundy stainless schwarz weiss blanco negro noir blanc rouge bleu rojo azul nero bianco
"""
COLOURS = frozenset(_COLOUR_NAMES.split())
_SYNONYMS = {
    "gray": "grey",
    "golden": "gold",
    "schwarz": "black",
    "noir": "black",
    "negro": "black",
    "nero": "black",
    "weiss": "white",
    "blanco": "white",
    "blanc": "white",
    "bianco": "white",
    "rouge": "red",
    "rojo": "red",
    "bleu": "blue",
    "azul": "blue",
}
COUNTED = (
    "packs?|pk|pcs|pc|pieces?|count|ct|sets?|stk|units|un|uds|pz|tlg|ea|bx|cs|boxes|bottles|rolls|cans|pairs|items|"
    "bags|sheets|tubes|cards|refills|cartridges|er[ -]pack|in a box|per box"
)
HOLDERS = (
    "packs?|pk|set|box|case|bag|lot|bundle|carton|tray|multipack|crate|packet|tin|pouch|tub|sleeve|strip|pair|kit|roll"
)
PACK = re.compile(
    rf"\b(\d{{1,4}})[ -]?(?:{COUNTED})\b|\b(?:{HOLDERS}) of (\d{{1,4}})\b|"
    r"\b(?:qty|quantity|value pack|family pack) (\d{1,4})\b"
)
_TWO_PACK = re.compile(r"\b(twin|double|triple)[ -]?pack\b")
_PACK_WORDS = {"twin": "2", "double": "2", "triple": "3"}


@lru_cache(maxsize=32_768)
def colours(text: str) -> frozenset[str]:
    """Colour names in a clean text, synonyms and languages folded."""
    return frozenset(_SYNONYMS.get(word, word) for word in re.split(r"[ /+&.,-]", text) if word in COLOURS)


@lru_cache(maxsize=32_768)
def packs(text: str) -> frozenset[str]:
    """Pack sizes stated in a clean text, as digits."""
    found = {match[1] or match[2] or match[3] for match in PACK.finditer(text)}
    found |= {_PACK_WORDS[match[1]] for match in _TWO_PACK.finditer(text)}
    return frozenset(found)
