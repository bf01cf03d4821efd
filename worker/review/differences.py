"""Two listings side by side: fields in rows, words marked by what they mean for the question. Pure.

What is compared is the cleaned word (`schemas.text.clean`), what is shown is the seller's own, without control and
direction characters, and escaped: a listing can neither run nor disguise itself. Kinds of marks, by weight:

* `clash`: a code, measure, colour or pack size that contradicts the other side (its unit is stated there with another
  value; its code has a relative there that ends otherwise, and the differing end is marked more strongly);
* `only`: a code, measure, colour or pack size that the other listing has nowhere;
* `new`: any other word that the other listing has nowhere;
* `key`: a code, measure, colour or pack size that both have;
* `moved`: a word that the other listing has, in another place or field. All else is plain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

from markupsafe import Markup, escape

from schemas.evidence import NEAR_PREFIX
from schemas.identifiers import MEASURE, is_code, measures, normalise_code
from schemas.offer import Offer
from schemas.stated import colours, packs
from schemas.text import clean, strip_control

Kind = Literal["plain", "moved", "key", "new", "only", "clash"]
# A page is read by a person: more of a description than this is not.
SHOWN_CHARS = 1_200
# Words of one text that are compared; difflib takes quadratic time.
COMPARED_WORDS = 400
FIELDS = ("title", "brand", "model_number", "gtin", "price", "category")
NAMES = {"model_number": "model", "gtin": "GTIN"}


@dataclass(frozen=True)
class Span:
    """A piece of text and its kind. `tail` is the length of the end that makes a code differ from its relative."""

    text: str
    kind: Kind = "plain"
    tail: int = 0


@dataclass(frozen=True)
class Row:
    """One field of both listings; a side without it is empty. `alike`: both say the same."""

    name: str
    left: tuple[Span, ...]
    right: tuple[Span, ...]
    alike: bool


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    cleaned: str
    code: str
    facts: frozenset[str]


def rows(left: Offer, right: Offer) -> list[Row]:
    """The rows that say something on either side, in the order in which people read them."""
    a, b = _fields(left), _fields(right)
    names = [*FIELDS, *sorted((a.keys() | b.keys()) - {*FIELDS, "description"}), "description"]
    said_a, said_b = (_known(value for name, value in side.items() if name != "price") for side in (a, b))
    found: list[Row] = []
    for name in names:
        x, y = a.get(name, ""), b.get(name, "")
        if x or y:
            # Two sellers' prices differ as a rule, and say little.
            one, other = (_plain(x), _plain(y)) if name == "price" else _marked(x, y, said_a, said_b)
            found.append(Row(NAMES.get(name, name), one, other, clean(x) == clean(y)))
    return found


def markup(spans: Iterable[Span]) -> Markup:
    """Spans as HTML; every text is escaped."""
    return Markup("").join(_html(span) for span in spans)


def _html(span: Span) -> Markup:
    if span.kind == "plain":
        return escape(span.text)
    # The kind is one of ours, never a seller's.
    if span.tail:
        head, end = span.text[: -span.tail], span.text[-span.tail :]
        return Markup('<mark class="{}">{}<b>{}</b></mark>').format(span.kind, head, end)
    return Markup('<mark class="{}">{}</mark>').format(span.kind, span.text)


def _fields(offer: Offer) -> dict[str, str]:
    price = f"{offer.price} {offer.currency or ''}".strip() if offer.price else None
    given = {
        "title": offer.title, "brand": offer.brand, "model_number": offer.model_number, "gtin": offer.gtin,
        "price": price, "category": offer.category, "description": offer.description,
        **{f"· {name}": value for name, value in (offer.attributes or {}).items()},
    }  # fmt: skip
    return {strip_control(name): _shown(value) for name, value in given.items() if value and value.strip()}


def _shown(text: str) -> str:
    text = " ".join(strip_control(text).split())
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS].rsplit(" ", 1)[0] + " …"


@lru_cache(maxsize=4_096)
def _words(text: str) -> tuple[_Word, ...]:
    """Words of a shown text; a number and the unit after it are one ("500 GB")."""
    parts = text.split(" ")
    found: list[_Word] = []
    place = 0
    while place < len(parts):
        joined = " ".join(parts[place : place + 2])
        wide = place + 1 < len(parts) and MEASURE.fullmatch(clean(joined)) is not None
        found.append(_word(joined if wide else parts[place]))
        place += 2 if wide else 1
    return tuple(found)


def _word(text: str) -> _Word:
    cleaned = clean(text)
    squashed = normalise_code(cleaned)
    code = squashed if is_code(squashed) else ""
    facts = {f"colour:{name}" for name in colours(cleaned)} | {f"pack:{size}" for size in packs(cleaned)}
    # A bare number is half of something; alone it is a fact only where it is a measure with a unit.
    facts |= (
        {f"measure:{each}" for each in measures(cleaned) if not each.replace(".", "").isdigit()} if not code else set()
    )
    return _Word(text, cleaned, code, frozenset(facts | ({f"code:{code}"} if code else set())))


@dataclass(frozen=True)
class _Known:
    """All that one listing says anywhere."""

    words: frozenset[str]
    squashed: str
    facts: frozenset[str]
    codes: frozenset[str]
    units: frozenset[str]


def _known(texts: Iterable[str]) -> _Known:
    texts = list(texts)
    words = [word for text in texts for word in _words(text)]
    facts = frozenset(fact for word in words for fact in word.facts)
    return _Known(
        frozenset(part for word in words for part in word.cleaned.split()),
        "\n".join(normalise_code(clean(text)) for text in texts),
        facts,
        frozenset(word.code for word in words if word.code),
        frozenset(_unit(fact) for fact in facts),
    )


def _unit(fact: str) -> str:
    """What a fact is a value of: "measure:500gb" of "measure:gb", "colour:red" of "colour:", a code of nothing."""
    name, _, value = fact.partition(":")
    return fact if name == "code" else f"{name}:" + (value.lstrip("0123456789.") if name == "measure" else "")


def _plain(text: str) -> tuple[Span, ...]:
    return (Span(text),) if text else ()


def _marked(x: str, y: str, said_a: _Known, said_b: _Known) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    a, b = _words(x) if x else (), _words(y) if y else ()
    first, second = [word.cleaned for word in a[:COMPARED_WORDS]], [word.cleaned for word in b[:COMPARED_WORDS]]
    blocks = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    aligned_a = {block.a + step for block in blocks for step in range(block.size)}
    aligned_b = {block.b + step for block in blocks for step in range(block.size)}
    return _spans(a, aligned_a, said_b), _spans(b, aligned_b, said_a)


def _spans(words: Sequence[_Word], aligned: set[int], other: _Known) -> tuple[Span, ...]:
    found: list[Span] = []
    for place, word in enumerate(words):
        if place:
            found.append(Span(" "))
        kind, tail = _judge(word, place in aligned, other)
        found.append(Span(word.text, kind, tail))
    return tuple(found)


def _judge(word: _Word, aligned: bool, other: _Known) -> tuple[Kind, int]:
    if not word.cleaned:
        return "plain", 0
    # A listing without text contradicts nothing.
    if not other.words:
        return "plain", 0
    if word.facts:
        if aligned or word.facts <= other.facts or (word.code and word.code in other.squashed):
            return "key", 0
        if word.code and (near := _near(word.code, other.codes)) is not None:
            return "clash", _tail(word.text, word.code[near:])
        missing = word.facts - other.facts
        clashes = any(_unit(fact) in other.units for fact in missing if not fact.startswith("code:"))
        return ("clash" if clashes else "only"), 0
    if aligned:
        return "plain", 0
    return ("moved" if all(part in other.words for part in word.cleaned.split()) else "new"), 0


def _near(code: str, others: Iterable[str]) -> int | None:
    """Where the code parts from its closest relative on the other side, if it has one."""
    best = max((_common(code, other) for other in others), default=0)
    return best if best >= NEAR_PREFIX else None


def _common(a: str, b: str) -> int:
    return next((place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _tail(text: str, end: str) -> int:
    """Length of the part of a shown code that holds the characters of its normalised end; 0 if it has none."""
    left, length = len(end), 0
    for char in reversed(text):
        if not left:
            break
        length += 1
        left -= normalise_code(char) != ""
    return length if end else 0
