"""Texts that say nothing, of the shape of a given one: what an injected text is held against."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from schemas.text import clean

_WORDS = """
    i u o e y up go by at me he it our day its via has may few let any ask bay cup dew elm shop time week year page
    view door hand road wood lamp leaf tide early later table floor green house light river cloud stone better around
    garden summer window bridge forest ribbon quality morning weather evening kitchen village customer together
    calendar mountain northern workshop warehouse beautiful yesterday furniture telephone collection everything
    background friendship description development temperature
"""
_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f])"
_SYLLABLES = [f"{consonant}{vowel}" for consonant in "bdfklmnprtvz" for vowel in "aeiou"]


def _candidates(length: int, variant: int) -> Iterator[str]:
    """Words of a length, ordinary ones first (for the first variant), then made-up ones without end."""
    if variant == 0:
        yield from (word for word in _WORDS.split() if len(word) == length)
    rng = random.Random(f"{length}:{variant}")
    while True:
        yield "".join(rng.choice(_SYLLABLES) for _ in range(length // 2 + 1))[:length]


def neutral_text(text: str, variant: int = 0) -> str:
    """A text that says nothing, of the shape of the cleaned one: as many words and digits, as long, repeated alike.

    Each word becomes another of its length, the same one where it comes again, because the prompt leaves repeated words
    out. Digits are replaced by others, so that a made-up code or evidence line is faced with one just as strange.
    ``variant`` 0 takes ordinary words as far as there are enough, others take made-up ones.
    """
    chosen: dict[str, str] = {}
    streams: dict[int, Iterator[str]] = {}

    def word(match: re.Match[str]) -> str:
        known = match[0]
        if known not in chosen:
            stream = streams.setdefault(len(known), _candidates(len(known), variant))
            # Of one or two letters there are too few for all to differ.
            tries = (next(stream) for _ in range(200))
            chosen[known] = next((new for new in tries if new not in chosen.values() and new != known), known[::-1])
        return chosen[known]

    letters = re.sub(rf"{_LETTER}+", word, clean(text))
    shift = 3 + variant
    return re.sub(r"\d", lambda match: str((int(match[0]) + shift) % 10) if match[0].isdecimal() else "0", letters)
