"""The grammar of the student's answer: six slot choices, then a sentence whose quotes are substrings of the listings.

The slots need no grammar at run time, for only their choices are read. The sentence is a forced frame with two holes:
in a hole only text that keeps the quote a substring of its listing, at word boundaries, may follow. So a sentence can
never state what no listing says, and no listing can change its form (decision 13). Pure functions, no I/O.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

from schemas.rationale import ATTRIBUTES, Attribute, Rationale

GRAMMAR_VERSION = "1"
# Longer quotes repeat the listing instead of pointing at what decides.
MAX_QUOTE_CHARS = 48
QUOTE = '"'


@dataclass(frozen=True, slots=True)
class Frame:
    """The forced text of a sentence: ``before`` quote A ``between`` quote B ``after``; the frame opens both quotes."""

    before: str
    between: str
    after: str

    def parts(self, quote_a: str, quote_b: str) -> tuple[str, str, str, str, str]:
        """What stands after the slots, part by part; each part is tokenised by itself, in training and in serving.

        ``before`` begins a new line and ends with the opening quote; a quote is closed by the first token of the part
        that follows it. So inside a quote the student chooses between the listing's text and that one token.
        """
        return f"\n{self.before}", quote_a, self.between, quote_b, self.after

    def fill(self, quote_a: str, quote_b: str) -> str:
        """The whole sentence, as people read it."""
        return f"{self.before}{quote_a}{self.between}{quote_b}{self.after}".strip()


def deciding(rationale: Rationale) -> Attribute:
    """The attribute that the sentence is about: the most certain one on the side of the answer."""
    different = rationale.answer == "different"

    def weight(name: Attribute) -> float:
        verdict = rationale.attributes.get(name)
        return -1.0 if verdict is None else (verdict.p_different if different else verdict.p_same)

    # Brand is shared by most pairs that blocking names, so it explains a match only where nothing else does.
    names = ATTRIBUTES if different else tuple(name for name in ATTRIBUTES if name != "brand")
    best = max(names, key=weight)
    return best if weight(best) >= 0 else "product"


def frame_for(answer: str, attribute: Attribute) -> Frame:
    """The frame of a sentence about one attribute: ``answer`` is "same" or "different"."""
    if answer == "same":
        before = f'The same: the {attribute} agrees, A says "'
    else:
        before = f'Not the same: the {attribute} differs, A says "'
    return Frame(before, '", B says "', '".')


def frame(rationale: Rationale) -> Frame:
    """The forced text for a rationale; it depends on the answer and the deciding attribute alone."""
    return frame_for(rationale.answer, deciding(rationale))


def allowed_continuations(listing: str, quoted: str) -> tuple[list[str], bool]:
    """What may follow inside a quote.

    Args:
        listing: the quotable text (:func:`schemas.prompt.quotable`).
        quoted: the quote so far, "" at its start.

    Returns:
        ``(rests, may_close)``: for every place where ``quoted`` stands at a word start of the listing, the text that
        follows it, cut so that the quote stays within ``MAX_QUOTE_CHARS``; and whether the quote may end here, that
        is: it is not empty and ends at a word's end in at least one of these places.
    """
    rests: list[str] = []
    may_close = False
    start = listing.find(quoted)
    while start != -1:
        end = start + len(quoted)
        if start == 0 or listing[start - 1] == " ":
            if quoted and not quoted.endswith(" ") and (end == len(listing) or listing[end] == " "):
                may_close = True
            # A rest ends at a word's end, or the last quote would be cut inside a word.
            room = _whole_words(listing, end, MAX_QUOTE_CHARS - len(quoted))
            if room and not (not quoted and room.startswith(" ")):
                rests.append(room)
        if start >= len(listing):
            break
        start = listing.find(quoted, start + 1)
    return list(dict.fromkeys(rests)), may_close


def _whole_words(listing: str, start: int, limit: int) -> str:
    """The text from ``start``, at most ``limit`` characters, to a word's end; the first word may pass the limit."""
    rest = listing[start:]
    if len(rest) <= limit:
        return rest
    cut = rest.rfind(" ", 0, max(limit, 0) + 1)
    if cut > 0:
        return rest[:cut]
    # Inside a word that began within the limit: let it end.
    inside = start > 0 and listing[start - 1] != " " and not rest.startswith(" ")
    if inside or start == 0 or limit >= MAX_QUOTE_CHARS:
        end = rest.find(" ")
        return rest if end == -1 else rest[:end]
    return ""


def is_grounded(listing: str, quote: str) -> bool:
    """Whether a finished quote is one that the grammar admits for this listing."""
    return bool(quote) and allowed_continuations(listing, quote)[1]


def _hash() -> str:
    frames = [frame_for(answer, name) for answer in ("same", "different") for name in ATTRIBUTES]
    content = {
        "version": GRAMMAR_VERSION,
        "frames": [list(item.parts("", "")) for item in frames],
        "max_quote": MAX_QUOTE_CHARS,
    }
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


GRAMMAR_HASH = _hash()
