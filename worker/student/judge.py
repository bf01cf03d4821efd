"""What the loop needs to know of a student: the judgement and the protocol, without ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from schemas.bundle import BundleManifest
from schemas.offer import Offer
from schemas.rationale import Answer, Attribute, AttributeVerdict, Rationale


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the student says of one pair.

    `logit` is l(" same") - l(" different") at the answer slot, rounded to four decimals; `probability` its calibrated
    sigmoid. The same pair has the same judgement in whatever company it was judged. `orders` is 2 where the pair was
    also judged with the candidate as the query, and all logits are means of both.
    """

    logit: float
    probability: float
    attributes: dict[Attribute, AttributeVerdict]
    orders: Literal[1, 2] = 1

    @property
    def answer(self) -> Answer:
        """The likelier answer after calibration."""
        return "same" if self.probability >= 0.5 else "different"

    def rationale(self) -> Rationale:
        """The rationale without its sentence."""
        return Rationale(attributes=self.attributes, answer=self.answer)


class Judge(Protocol):
    """Judges pairs. Calls block (about 100 ms a pair on one core) and are not thread-safe."""

    @property
    def manifest(self) -> BundleManifest: ...

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        """One judgement a candidate, in order."""
        ...

    def explain(self, query: Offer, candidate: Offer, judgement: Judgement, answer: Answer | None = None) -> Rationale:
        """The rationale with its sentence; `answer` is the verdict to explain where the policy's differs."""
        ...
