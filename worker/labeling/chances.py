"""With what chance a decision is drawn, and whether it is. Pure.

A decision may be in several strata (`uniform`, `uncertainty`, `disagreement`, `novelty`, `value`), each with a chance.
All of them look at one number, a hash of the decision's id that lies evenly between 0 and 1: a stratum draws the
decision if the number is below its chance. So

* the inclusion probability is exactly the greatest of the chances (they are nested, not independent);
* a repeated event is drawn again or not again, alike;
* as few tasks as possible are made, and whatever the uniform share draws, it draws.

Decisions are drawn independently of one another (Poisson sampling), because SHA-256 has no memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.decision import MatchDecision
from schemas.labeling import SamplingReason
from schemas.labeling_settings import LabelingSettings
from schemas.offer import Offer
from schemas.policy import CONTRADICTION

_BYTES = 8
_RANGE = 1 << (8 * _BYTES)

# What a decision of ours counts as production for: a student or an identifier judged it, live or in a canary's share.
JUDGED = ("student", "identifier")


def place(decision_id: str, purpose: str = "draw") -> float:
    """Where a decision lies between 0 and 1: the first eight bytes of SHA-256 over purpose and id.

    Another purpose gives an independent number, so that being drawn says nothing about that.
    """
    digest = hashlib.sha256(f"samesku-labeling:{purpose}\0{decision_id}".encode()).digest()
    return int.from_bytes(digest[:_BYTES], "big") / _RANGE


def eligible(made: MatchDecision) -> bool:
    """Whether a decision is of the population: judged in production, about offers that exist.

    Left out: replays, labels and the teacher, operators' actions, retractions. A shadow is no decision of its own.
    """
    return made.replay is None and made.decided_by in JUDGED and made.verdict != "retracted"


@dataclass(frozen=True, slots=True)
class Scale:
    """The chances in force: that of the uniform share, and the factor on those of all other strata."""

    uniform: float
    targeted: float


@dataclass(frozen=True, slots=True)
class Draw:
    """A decision that was drawn."""

    rates: Mapping[SamplingReason, float]
    """Of every stratum that it is in."""
    reasons: tuple[SamplingReason, ...]
    """The strata that drew it, uniform first."""
    inclusion: float


def base_rates(
    made: MatchDecision, offers: Iterable[Offer], novel: bool, settings: LabelingSettings, doubted: bool = False
) -> dict[SamplingReason, float]:
    """Chances of the targeted strata that a decision is in, before they are scaled. `offers` may be empty.

    `doubted`: a judge or the teacher has said by now that the decision is rather wrong.
    """
    rates: dict[SamplingReason, float] = {
        "uncertainty": settings.uncertainty_rate * uncertainty(made, settings.uncertainty_band),
        "disagreement": settings.disagreement_rate if doubted or disagrees(made) else 0.0,
        "novelty": settings.novelty_rate if novel or _found_badly(made, settings) else 0.0,
        "value": settings.value_rate * min(1.0, worth(offers, settings.traffic_field) / settings.value_scale),
    }
    return {reason: rate for reason, rate in rates.items() if rate > 0}


def uncertainty(made: MatchDecision, band: float) -> float:
    """1 at the match threshold, falling to 0 at `band` from it; 1 for a review, 0 where there is no probability."""
    if made.verdict == "review":
        return 1.0
    if made.probability is None or made.thresholds is None:
        return 0.0
    return max(0.0, 1 - abs(made.probability - made.thresholds.match) / band)


def disagrees(made: MatchDecision) -> bool:
    """Whether a shadow says otherwise, or the answer contradicts its own attributes.

    Where both judged unseen, the decision carries the other's word; a decision that a canary made carries nobody's.
    """
    if made.shadow is not None and made.shadow.verdict != made.verdict:
        return True
    return any(reason.startswith(CONTRADICTION) for reason in made.reasons)


def _found_badly(made: MatchDecision, settings: LabelingSettings) -> bool:
    score = made.candidate_score
    return settings.novelty_score is not None and score is not None and score < settings.novelty_score


def worth(offers: Iterable[Offer], traffic_field: str) -> float:
    """Price times traffic, of the dearer of the two listings; 0 where no price is stated, traffic 1 where none is."""
    return max((_worth(offer, traffic_field) for offer in offers), default=0.0)


def _worth(offer: Offer, traffic_field: str) -> float:
    price = float(offer.price) if offer.price is not None else 0.0
    stated = (offer.model_extra or {}).get(traffic_field)
    if stated is None and offer.attributes is not None:
        stated = offer.attributes.get(traffic_field)
    try:
        traffic = float(stated) if stated is not None and not isinstance(stated, bool) else 1.0
    except (TypeError, ValueError):
        traffic = 1.0
    # Sellers write anything: what is no finite number weighs as if it were not there.
    return price * traffic if 0 <= traffic < float("inf") else price


def chances(base: Mapping[SamplingReason, float], scale: Scale) -> dict[SamplingReason, float]:
    """Chances in force of every stratum that a decision is in; `uniform` is always among them."""
    rates: dict[SamplingReason, float] = {"uniform": scale.uniform}
    rates |= {reason: min(1.0, rate * scale.targeted) for reason, rate in base.items() if rate * scale.targeted > 0}
    return rates


def draw(decision_id: str, rates: Mapping[SamplingReason, float]) -> Draw | None:
    """Whether a decision is drawn, and by which strata."""
    at = place(decision_id)
    reasons = tuple(reason for reason, rate in rates.items() if at < rate)
    return Draw(dict(rates), reasons, max(rates.values())) if reasons else None
