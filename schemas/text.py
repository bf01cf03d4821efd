"""Seller text made safe and comparable: one cleaning for the prompt, the evidence and blocking.

The seller's text is data (decision 13): after :func:`clean` it holds no control character, quote,
bar or bracket, so that no listing can imitate the frame of a prompt or of a sentence. Everything is
lower-cased, because half of the world's catalogues shout and a small model pays for each form anew.

Non-goals: stemming, translation, spelling. Pure functions, no I/O.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Web dumps carry RDF literals such as `"Canon EOS"@en-US`; the tag is an artefact, not the offer's text.
_LANGUAGE_TAG = re.compile(r"[\"']@[a-z]{2,3}(?:-[a-z0-9]{2,8})?\b", re.IGNORECASE)
# What frames our prompt, our sentence or our keys, and brackets, which cost a token and say nothing.
_FRAME = re.compile(r"[\"“”„«»`´|<>\[\]{}()\\^~_=;!?#*@•·…™®©]+")
_DASHES = re.compile(r"[‐-―−]")
# Punctuation that is only kept inside a word or number ("dsc-w120/p", "2.5", "f/4").
_LOOSE = re.compile(r"(?<![^\s])[.,:'/&+\-]+(?=\s|$)|[.,:']+(?=\s|$)|(?<![^\s])[.,:']+|,(?!\d)|(?<!\d),")
_SPACE = re.compile(r"\s+")
_NULL_WORDS = re.compile(r"\b(?:null|nan|n/a)\b")

# A character above this length is never read: no honest title is longer, and the cap keeps regexes linear in practice.
MAX_CLEAN_CHARS = 4_000


def strip_control(text: str) -> str:
    """Replace every control, format, surrogate and private-use character by a space."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if unicodedata.category(char)[0] == "C" else char for char in text)


@lru_cache(maxsize=65_536)
def clean(text: str, limit: int = MAX_CLEAN_CHARS) -> str:
    """Canonical form of one seller field.

    NFKC, lower case, RDF language tags and framing characters removed, dashes unified, white space
    collapsed, cut to ``limit`` characters at a word boundary. Idempotent for texts within the limit.
    """
    text = strip_control(text[:MAX_CLEAN_CHARS])
    text = _LANGUAGE_TAG.sub(" ", text)
    text = strip_control(unicodedata.normalize("NFKC", text)).lower()
    text = unicodedata.normalize("NFKC", text)
    text = _FRAME.sub(" ", _DASHES.sub("-", text))
    previous = None
    while previous != text:
        previous = text
        text = _NULL_WORDS.sub(" ", _LOOSE.sub(" ", text))
        text = _SPACE.sub(" ", text).strip()
    return cut(text, limit)


def cut(text: str, limit: int) -> str:
    """``text`` cut to at most ``limit`` characters, at a word boundary where there is one."""
    if len(text) <= limit:
        return text
    head = text[: limit + 1]
    space = head.rfind(" ")
    return head[:space] if space > limit // 2 else text[:limit]


def words(text: str) -> list[str]:
    """Words of a text that :func:`clean` made, in order."""
    return text.split()


def unrepeated(text: str) -> str:
    """The text without words that it already said (catalogue exports append breadcrumbs and repeat the title)."""
    return " ".join(dict.fromkeys(text.split()))


def trigrams(text: str) -> list[str]:
    """Character trigrams of each word of a clean text, with word boundaries as ``$``, in order, with repetitions."""
    grams: list[str] = []
    for word in text.split():
        padded = f"${word}$"
        grams.extend(padded[i : i + 3] for i in range(len(padded) - 2))
    return grams
