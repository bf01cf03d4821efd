"""The rationale: five attribute verdicts, the answer, and one sentence that quotes the listings."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Attribute = Literal["brand", "product", "variant", "specification", "quantity"]
Verdict = Literal["same", "different", "unknown"]
Answer = Literal["same", "different"]

ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
ANSWERS: tuple[Answer, ...] = get_args(Answer)


class AttributeVerdict(BaseModel):
    """What the student says of one attribute: the likeliest verdict, its probability, and all three probabilities."""

    model_config = ConfigDict(extra="allow", frozen=True)

    verdict: Verdict
    probability: float = Field(ge=0, le=1)
    p_same: float = Field(ge=0, le=1)
    p_different: float = Field(ge=0, le=1)
    p_unknown: float = Field(ge=0, le=1)


class Quote(BaseModel):
    """A part of one listing, verbatim as the prompt rendered it (:func:`schemas.prompt.listing`)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    offer: str = Field(description="offer key")
    text: str


class Rationale(BaseModel):
    """Why a pair was judged as it was. ``sentence`` is None where the policy wants none."""

    model_config = ConfigDict(extra="allow", frozen=True)

    attributes: dict[Attribute, AttributeVerdict]
    answer: Answer
    sentence: str | None = None
    quotes: tuple[Quote, ...] = ()

    def contradictions(self) -> tuple[Attribute, ...]:
        """Attributes that are ``different`` although the answer is ``same``: a match has none."""
        if self.answer != "same":
            return ()
        return tuple(
            name for name in ATTRIBUTES if name in self.attributes and self.attributes[name].verdict == "different"
        )
