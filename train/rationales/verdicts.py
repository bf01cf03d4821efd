"""Attribute verdicts as training targets: a verdict, or nothing where nobody can know (masked in the loss)."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.rationale import ATTRIBUTES, Attribute, Verdict


@dataclass(frozen=True)
class SentenceTarget:
    """What the sentence should quote: one part of each listing, as rendered, about one attribute."""

    attribute: Attribute
    quote_left: str
    quote_right: str


@dataclass(frozen=True)
class Targets:
    """Targets of one pair.

    Attributes:
        verdicts: what is known.
        sentence: what the sentence should quote.
        source: "derived" or the teacher's name.
        not_different: attributes of which only so much is known that they are not ``different``, whether the listings
            state them or not: what an edit left alone in two listings of one product.
    """

    verdicts: dict[Attribute, Verdict] = field(default_factory=dict)
    sentence: SentenceTarget | None = None
    source: str = "derived"
    not_different: frozenset[Attribute] = frozenset()

    def contradicts(self, label: int) -> bool:
        """Whether a match would have a different attribute: such rationales are set aside."""
        return label == 1 and any(self.verdicts.get(name) == "different" for name in ATTRIBUTES)
