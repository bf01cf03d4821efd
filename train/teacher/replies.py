"""The form of each step's reply, and the one way a reply is read. Pure functions.

A reply that has the form but quotes what no listing says is not refused for ever: it is asked for again, and what is
still not grounded then is a claim set aside (masked), because one wrong quote should not cost the other four verdicts.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from schemas.rationale import ATTRIBUTES, Answer, Attribute, Verdict
from train.teacher.question import Listing

QUOTE_CHARS = 120
MAX_QUOTES = 4
TEXT_CHARS = 400
# Deeper or longer than any reply of ours; what is beyond is noise, and parsing it is wasted time.
MAX_REPLY_CHARS = 20_000

Quote = Annotated[str, StringConstraints(min_length=1, max_length=QUOTE_CHARS)]
Quotes = Annotated[list[Quote], Field(max_length=MAX_QUOTES)]
Prose = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_CHARS)]
Form = TypeVar("Form", bound=BaseModel)


class ReplyError(Exception):
    """A reply that cannot be used. The text says where and why, and holds nothing that the reply said."""


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Extraction(_Reply):
    """What one listing says of each attribute, in its own words; empty where it says nothing."""

    brand: Quotes
    product: Quotes
    variant: Quotes
    specification: Quotes
    quantity: Quotes


class Comparison(_Reply):
    """One attribute of both listings. The quotes stand first, so that the verdict is written in their sight."""

    a: Quote | None
    b: Quote | None
    verdict: Verdict


class Comparisons(_Reply):
    """All five attributes compared."""

    brand: Comparison
    product: Comparison
    variant: Comparison
    specification: Comparison
    quantity: Comparison

    def of(self, name: Attribute) -> Comparison:
        """The comparison of one attribute."""
        found: Comparison = getattr(self, name)
        return found


class Decision(_Reply):
    """The answer, after the reason for it."""

    reason: Prose
    answer: Answer
    confidence: float = Field(ge=0, le=1)


class Explanation(_Reply):
    """What decides, shown in both listings, and one sentence for a person."""

    attribute: Attribute
    a: Quote
    b: Quote
    sentence: Prose


_FENCE = re.compile(r"```(?:json)?\s*(\{.*?\})\s*```", re.DOTALL)
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)


def find_object(text: str) -> dict[str, Any]:
    """The JSON object in a reply: the whole of it, or the one in a code fence, or the first in running text.

    Raises:
        ReplyError: there is none.
    """
    text = _THOUGHT.sub("", text[:MAX_REPLY_CHARS]).strip()
    fenced = _FENCE.search(text)
    start = text.find("{")
    for candidate in (text, fenced[1] if fenced else "", _first_object(text, start)):
        try:
            found = orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
        if isinstance(found, dict):
            return found
    raise ReplyError("it holds no JSON object" if start < 0 else "its JSON object is broken or cut off")


def _first_object(text: str, start: int) -> str:
    if start < 0:
        return ""
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return ""
    return text[start:end]


def parse(form: type[Form], text: str) -> Form:
    """The reply in its form.

    Raises:
        ReplyError: no JSON object, or one of another form; the text names the field and the rule.
    """
    found = find_object(text)
    try:
        return form.model_validate(found)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        told = "; ".join(f"{_place(form, problem['loc'])}: {_rule(problem)}" for problem in problems[:5])
        raise ReplyError(told) from error


def _place(form: type[BaseModel], loc: tuple[Any, ...]) -> str:
    """The place of a problem, without names that the reply made up."""
    known = {*form.model_fields, *Comparison.model_fields}
    return ".".join(str(part) if isinstance(part, int) or part in known else "(other)" for part in loc) or "reply"


def _rule(problem: Any) -> str:
    # Pydantic's words about an unreadable value may repeat it; about these kinds they do not.
    kind = str(problem["type"])
    return str(problem["msg"]) if kind != "value_error" else kind


def ungrounded_extraction(found: Extraction, listing: Listing) -> list[str]:
    """Where an extraction quotes what the listing does not say: "brand.0"."""
    return [
        f"{name}.{place}"
        for name in ATTRIBUTES
        for place, quote in enumerate(getattr(found, name))
        if not listing.states(quote)
    ]


def grounded_extraction(found: Extraction, listing: Listing) -> dict[str, list[str]]:
    """The extraction without what the listing does not say."""
    return {name: [quote for quote in getattr(found, name) if listing.states(quote)] for name in ATTRIBUTES}


def unfounded(found: Comparisons, left: Listing, right: Listing) -> dict[Attribute, str]:
    """Verdicts that rest on nothing, with the reason: ``same`` and ``different`` need a true quote of both sides."""
    problems: dict[Attribute, str] = {}
    for name in ATTRIBUTES:
        item = found.of(name)
        if item.verdict == "unknown":
            continue
        missing = [side for side, quote in (("a", item.a), ("b", item.b)) if quote is None]
        false = [
            side
            for side, quote, listing in (("a", item.a, left), ("b", item.b, right))
            if quote is not None and not listing.states(quote)
        ]
        if missing:
            problems[name] = f"verdict without a quote of {' and '.join(missing)}; where a listing is silent: unknown"
        elif false:
            problems[name] = f"the quote of {' and '.join(false)} is not in the listing, word for word"
    return problems
