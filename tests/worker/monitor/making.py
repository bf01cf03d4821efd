"""Decisions, offers and answers of a small production, for tests of the monitor."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from schemas.answer import Answer
from schemas.decision import BundleRef, Cuts, MatchDecision, Side
from schemas.events import Position
from schemas.offer import Offer, offer_key, pair_id
from schemas.offer_record import OfferRecord
from schemas.policy import Policy, decide
from schemas.rationale import ATTRIBUTES, AttributeVerdict, Rationale, Verdict

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BUNDLE = BundleRef(name="tiny", version="1.0.0", digest="d" * 64, built_at=NOW)
CUTS = Cuts(match=0.5, review_low=0.4, review_high=0.6)


def judged(
    number: int, probability: float = 0.9, source: str = "shop", attribute: Verdict = "same", **fields: object
) -> MatchDecision:  # fmt: skip
    """One decision of the student; `number` makes its ids."""
    query, candidate = offer_key(source, f"q{number}"), offer_key("base", f"c{number}")
    first, second = sorted((query, candidate))
    verdict = AttributeVerdict(verdict=attribute, probability=0.9, p_same=0.1, p_different=0.1, p_unknown=0.8)
    ruling = decide(probability, {}, Policy(match_threshold=0.5, review_low=0.4, review_high=0.6))
    content = {
        "decision_id": f"decision-{source}-{number}",
        "pair_id": pair_id(query, candidate),
        "query_key": query,
        "candidate_key": candidate,
        "first": Side(key=first, effective_version=1, digest="1"),
        "second": Side(key=second, effective_version=1, digest="2"),
        "verdict": ruling.verdict,
        "probability": probability,
        "reasons": list(ruling.reasons),
        "rationale": Rationale(
            attributes=dict.fromkeys(ATTRIBUTES, verdict), answer="same" if probability > 0.5 else "different"
        ),
        "decided_by": "student",
        "bundle": BUNDLE,
        "prompt_version": "1",
        "grammar_version": "1",
        "policy_version": "1",
        "candidate_rank": number % 3,
        "candidate_score": 5.0 + number % 40,
        "source": Position(topic="catalog.changes", partition=0, offset=number),
        "decided_at": NOW,
        "thresholds": CUTS,
    }
    return MatchDecision.model_validate({**content, **fields})


def listed(number: int, title: str, source: str = "shop", **fields: object) -> OfferRecord:
    offer = Offer.model_validate({"offer_id": str(number), "source": source, "title": title, **fields})
    return OfferRecord(
        key=offer.key, offer=offer, effective_version=number, digest=offer.digest(),
        source=Position(topic="catalog.changes", partition=0, offset=number), indexed_at=NOW,
    )  # fmt: skip


def answered(number: int, candidates: int = 5, source: str = "shop", **fields: object) -> Answer:
    content = {
        "source": Position(topic="catalog.changes", partition=0, offset=number), "key": offer_key(source, str(number)),
        "op": "upsert", "outcome": "judged", "candidates": candidates, "k_requested": 10, "k_effective": 10,
        "answered_at": NOW,
    }  # fmt: skip
    return Answer.model_validate({**content, **fields})


def some_decision(number: int, random_state: random.Random) -> MatchDecision:
    """A decision as varied as production's."""
    return judged(
        number,
        probability=round(random_state.betavariate(0.5, 0.8), 6),
        source=random_state.choice(["shop", "fair", "depot"]),
        attribute=random_state.choice(["same", "different", "unknown"]),
        category=random_state.choice([None, "audio", "video"]),
    )
