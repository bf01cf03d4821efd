"""A rationale as it is kept: one form for what our teacher wrote and for what was imported, with its provenance."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from schemas.offer import Offer
from schemas.rationale import Answer, Attribute, Verdict
from schemas.text import clean
from train.rationales.verdicts import SentenceTarget

CONTENT_FIELDS = ("title", "brand", "model_number", "gtin", "price", "currency", "category", "description")
"""What makes two listings the same text, beside ``attributes``: ids and versions differ from file to file."""


@lru_cache(maxsize=65_536)
def _digest(parts: tuple[str, ...]) -> str:
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def content_digest(offer: Offer) -> str:
    """SHA-256 (hex) of what a listing says, in its clean form, whatever its id and source."""
    fields = tuple(clean(str(getattr(offer, name) or "")) for name in CONTENT_FIELDS)
    attributes = tuple(f"{name}={clean(value or '')}" for name, value in sorted((offer.attributes or {}).items()))
    return _digest((*fields, *attributes))


class OfferRef(BaseModel):
    """Which listing was meant: its id as the pair's file named it, what it says, and the digest of that.

    The text is there for people who check the record; training finds the pair by the digest.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    offer_id: str
    source: str
    digest: str = Field(description="content_digest() of the listing")
    title: str
    brand: str | None = None
    model_number: str | None = None
    gtin: str | None = None
    price: str | None = None
    currency: str | None = None
    category: str | None = None
    description: str | None = None
    attributes: dict[str, str | None] | None = None

    @classmethod
    def of(cls, offer: Offer) -> OfferRef:
        """The reference to an offer."""
        said = offer.model_dump(include={*CONTENT_FIELDS, "attributes"}, exclude_none=True)
        return cls(offer_id=offer.offer_id, source=offer.source, digest=content_digest(offer), **said)


class Provenance(BaseModel):
    """Who said it, asked how, at what price. Tokens and cost are those of every reply that the record rests on.

    A reply that several pairs share (an offer's extraction) counts in each of them; what was really paid stands in
    the run's summary.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    teacher: str = Field(description="the model's name")
    prompt_version: str
    prompt_revealed_label: bool = Field(description="whether the teacher was told the label")
    source: str = Field(description="the endpoint, or the file that was imported")
    fields_shown: tuple[str, ...] = ()
    requests: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = Field(default=None, description="in `currency`; None: no price is known")
    currency: str | None = None


class RationaleRecord(BaseModel):
    """What a teacher said of one pair. It holds no label: that is asked of the pair when the record is admitted.

    ``verdicts`` holds only what was claimed: an attribute that is absent is masked in the loss, never ``unknown``.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    format_version: Literal["1.0"] = "1.0"
    pair_id: str
    left: OfferRef
    right: OfferRef
    verdicts: dict[Attribute, Verdict]
    quotes: dict[Attribute, tuple[str, str]] = Field(
        default_factory=dict, description="what a verdict rests on, verbatim from the left and from the right listing"
    )
    answer: Answer | None = None
    confidence: Annotated[float, Field(ge=0, le=1)] | None = Field(default=None, description="the teacher's own, raw")
    sentence: SentenceTarget | None = Field(default=None, description="quotes as the student's grammar admits them")
    explanation: str = ""
    dropped: tuple[str, ...] = Field(default=(), description="claims that were set aside, and why")
    provenance: Provenance

    def contradicts_itself(self) -> bool:
        """Whether it calls a pair the same of which it says that an attribute differs."""
        return self.answer == "same" and "different" in self.verdicts.values()

    def swapped(self) -> RationaleRecord:
        """The same record of the pair in the other order."""
        sentence = self.sentence
        if sentence is not None:
            sentence = replace(sentence, quote_left=sentence.quote_right, quote_right=sentence.quote_left)
        return self.model_copy(
            update={
                "left": self.right,
                "right": self.left,
                "quotes": {name: (right, left) for name, (left, right) in self.quotes.items()},
                "sentence": sentence,
            }
        )
