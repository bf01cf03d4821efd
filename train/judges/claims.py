"""A claim: one attribute verdict of a rationale about two listings, with what it quotes. What judges judge.

The answer yes/no is never part of a claim: a judge that saw it could agree with the answer instead of looking.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import orjson

from schemas.offer import Offer
from schemas.prompt import quotable
from schemas.rationale import ATTRIBUTES, VERDICTS, Attribute, Rationale, Verdict
from train.rationales.records import content_digest

CLAIM_FORMAT = "1"


@dataclass(frozen=True)
class Claim:
    """``verdict`` on ``attribute`` of the two listings; a quote is "" where the rationale quotes nothing for it."""

    left: Offer
    right: Offer
    attribute: Attribute
    verdict: Verdict
    quote_left: str = ""
    quote_right: str = ""

    def swapped(self) -> Claim:
        """The same claim about the listings in the other order: as right or wrong as this one."""
        return replace(self, left=self.right, right=self.left, quote_left=self.quote_right, quote_right=self.quote_left)

    def key(self) -> str:
        """SHA-256 (hex) of all that a judge may look at; ids and versions are not part of it."""
        parts = (
            CLAIM_FORMAT,
            content_digest(self.left),
            content_digest(self.right),
            self.attribute,
            self.verdict,
            self.quote_left,
            self.quote_right,
        )
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def slot_claims(left: Offer, right: Offer) -> list[Claim]:
    """All 5 x 3 claims that a rationale's slots can make of a pair, in the order of ``ATTRIBUTES`` x ``VERDICTS``."""
    return [Claim(left, right, attribute, verdict) for attribute in ATTRIBUTES for verdict in VERDICTS]


def claims_of(rationale: Rationale, left: Offer, right: Offer) -> Iterator[Claim]:
    """The claims of a rationale in which somebody stands behind a verdict, in the order of ``ATTRIBUTES``.

    Quotes are not attached: a rationale's sentence names its attribute in words, and the slots stand without it.
    """
    for attribute in ATTRIBUTES:
        said = rationale.attributes.get(attribute)
        if said is not None:
            yield Claim(left, right, attribute, said.verdict)


def quotable_sides(claim: Claim) -> tuple[str, str]:
    """The texts that the two quotes must stand in (:func:`schemas.prompt.quotable`)."""
    return quotable(claim.left), quotable(claim.right)
