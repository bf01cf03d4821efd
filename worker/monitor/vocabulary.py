"""Words that a catalogue has used: a bitmap of hashes, small enough for every monitor to hold.

It needs no tokenizer, so that the monitor is independent of the student's; a word with a digit is never asked for,
because codes are always new. One hash a word: with 100,000 words about one unknown word in forty counts as known.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable

from schemas.offer import Offer
from schemas.text import clean

BITS = 1 << 22


class Vocabulary:
    """A set of words that may say yes by mistake, never no."""

    def __init__(self, bitmap: bytes | None = None) -> None:
        """Raises ValueError for a bitmap of another size."""
        self._bits = bytearray(BITS // 8) if bitmap is None else bytearray(bitmap)
        if len(self._bits) != BITS // 8:
            raise ValueError(f"a vocabulary has {BITS // 8} bytes, not {len(self._bits)}")

    def add(self, words: Iterable[str]) -> None:
        for word in words:
            place = zlib.crc32(word.encode()) % BITS
            self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, word: object) -> bool:
        place = zlib.crc32(str(word).encode()) % BITS
        return bool(self._bits[place >> 3] >> (place & 7) & 1)

    def unknown_share(self, words: list[str]) -> float | None:
        """Share of the words that were never added; None without words."""
        return sum(word not in self for word in words) / len(words) if words else None

    @property
    def digest(self) -> str:
        """12 hex digits; counts under different vocabularies are never compared."""
        return hashlib.sha256(self._bits).hexdigest()[:12]

    def to_bytes(self) -> bytes:
        return bytes(self._bits)


def words_of(offer: Offer) -> list[str]:
    """The words of a title that are words: at least two letters and no digit."""
    return [word for word in clean(offer.title).split() if len(word) > 1 and not any(char.isdigit() for char in word)]


def vocabulary_of(offers: Iterable[Offer]) -> Vocabulary:
    """The words of these offers' titles."""
    made = Vocabulary()
    for offer in offers:
        made.add(words_of(offer))
    return made
