"""What rules can check of a rationale without any model: grounding, consistency, copying, length. Pure functions.

Each rule answers with the names of what is broken, so that a reward or a report can say which. The model judges are
asked only what rules cannot answer: whether a verdict is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from schemas.grammar import MAX_QUOTE_CHARS, is_grounded
from schemas.prompt import quotable
from schemas.rationale import Answer, Attribute, Rationale, Verdict
from train.judges.claims import Claim

Broken = Literal["ungrounded", "wrong side", "inconsistent", "copied", "too long", "one-sided quote"]
# A quote points at what decides; more than this share of a listing repeats it instead.
MAX_QUOTED_SHARE = 0.6
# Short listings are all name: there any quote is most of the text.
MIN_LISTING_CHARS = 40
MAX_SENTENCE_CHARS = 220


def broken_quotes(claim: Claim) -> tuple[Broken, ...]:
    """What is wrong with a claim's quotes; a claim without quotes breaks nothing.

    "ungrounded": a quote stands in neither listing as the grammar admits it. "wrong side": it stands in the other one
    only. "copied": it is most of a longer listing. "too long": more than the grammar's ``MAX_QUOTE_CHARS`` (a single
    longer word may stand). "one-sided quote": one side is quoted and the other is not.
    """
    quotes = (claim.quote_left, claim.quote_right)
    texts = (quotable(claim.left), quotable(claim.right))
    if not any(quotes):
        return ()
    found: list[Broken] = [] if all(quotes) else ["one-sided quote"]
    for quote, text, other in zip(quotes, texts, reversed(texts), strict=True):
        if not quote:
            continue
        if not is_grounded(text, quote):
            found.append("wrong side" if is_grounded(other, quote) else "ungrounded")
        if len(quote) > MAX_QUOTE_CHARS and " " in quote:
            found.append("too long")
        if len(text) >= MIN_LISTING_CHARS and len(quote) > MAX_QUOTED_SHARE * len(text):
            found.append("copied")
    return tuple(dict.fromkeys(found))


def is_consistent(verdicts: Mapping[Attribute, Verdict], answer: Answer) -> bool:
    """Whether verdicts and answer can both be true.

    A match has no different attribute; and two listings of which all five attributes are the same are one product.
    """
    said = set(verdicts.values())
    return "different" not in said if answer == "same" else said != {"same"}


def broken(rationale: Rationale) -> tuple[Broken, ...]:
    """What is wrong with a rationale's form beyond its quotes."""
    found: list[Broken] = []
    verdicts = {name: item.verdict for name, item in rationale.attributes.items()}
    if not is_consistent(verdicts, rationale.answer):
        found.append("inconsistent")
    if rationale.sentence is not None and len(rationale.sentence) > MAX_SENTENCE_CHARS:
        found.append("too long")
    return tuple(found)
