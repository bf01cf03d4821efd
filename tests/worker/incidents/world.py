"""A made-up history with a fault in it: the bundle matches packs with singles where one seller lists them."""

from __future__ import annotations

import random
from typing import Any

from schemas.decision import MatchDecision
from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES
from tests.worker.audit.making import decision_record, fill, judged, offer, offer_record
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, OFFERS

FAULTY, SOUND = "packrat", "honest"
COLOURS = ("black", "white", "red")


def seen(**verdicts: str) -> dict[str, dict[str, Any]]:
    """All attributes `same` but for the given ones."""
    found: dict[str, dict[str, Any]] = {}
    for name in ATTRIBUTES:
        verdict = verdicts.get(name, "same")
        shares = {f"p_{each}": 0.05 for each in ("same", "different", "unknown")} | {f"p_{verdict}": 0.9}
        found[name] = {"verdict": verdict, "probability": 0.9, **shares}
    return found


def history(count: int = 120, seed: int = 1) -> tuple[list[Offer], list[MatchDecision], set[str]]:
    """Offers, their decisions, and the pairs that the fault decided wrongly.

    Of each seller's pairs a third state another number on each side: the sound seller's are told apart, the faulty
    one's are matched.
    """
    rng = random.Random(seed)
    offers, made, wrong = [], [], set()
    for number in range(count):
        source = FAULTY if number % 2 else SOUND
        packed = rng.random() < 0.33
        sizes = rng.sample((2, 4, 6, 10), 2) if packed else [rng.choice((2, 4, 6))] * 2
        title = f"duracell aa battery {rng.choice(COLOURS)}"
        left, right = (
            offer(number, who, f"{title} {size} pack model ab{number}", price="10", currency="EUR")
            for who, size in zip((source, "base"), sizes, strict=True)
        )
        offers += [left, right]
        same = not packed or source == FAULTY
        rationale = {"attributes": seen(**({} if same else {"quantity": "different"})), "answer": "same"}
        decided = judged(
            left, right, (number, number), verdict="match" if same else "no_match", rationale=rationale, reasons=[]
        )
        made.append(decided)
        if packed and source == FAULTY:
            wrong.add(decided.pair_id)
    return offers, made, wrong


def keep(store: AuditStore, offers: list[Offer], made: list[MatchDecision]) -> None:
    """Put a history into a store."""
    fill(store, OFFERS, [offer_record(each, place, place) for place, each in enumerate(offers)])
    fill(store, DECISIONS, [decision_record(each, place) for place, each in enumerate(made)])
