"""Made-up pairs that state everything, a judge trained on them in seconds, and a judge that looks at nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from schemas.offer import Offer
from schemas.rationale import Attribute
from train.evaluation.metrics import Floats
from train.judges.claims import Claim
from train.judges.corruptions import Preference, kinds_of, preferences
from train.judges.interface import JUDGE_ATTRIBUTES, JudgeName
from train.judges.material import Base
from train.judges.recipe import JudgeRecipe
from train.judges.training import TrainingData

BRANDS = ("sony", "canon", "nikon", "samsung", "lenovo", "epson", "bosch", "casio")
THINGS = ("camera", "printer", "keyboard", "speaker", "monitor", "headset")
COLOURS = ("black", "white", "silver", "red")
SIZES = (16, 32, 64, 128)
RECIPE = JudgeRecipe(body="none", evidence_epochs=12, evidence_per_kind=60, seed=3)


def offer(number: int, side: str, *, rng: random.Random) -> Offer:
    """One listing of product ``number``; the two sides word it differently."""
    brand, thing = BRANDS[number % 8], THINGS[number % 6]
    parts = [f"dx-{4100 + 7 * number}", thing]
    if number % 3:
        parts.append(COLOURS[number % 4])
    if number % 4:
        parts.append(f"{SIZES[number % 4]}gb" if side == "left" else f"{SIZES[number % 4]} gb")
    if number % 5 == 0:
        parts.append("pack of 3" if side == "left" else "3 pcs")
    rng.shuffle(parts)
    return Offer(offer_id=f"{number}", source=side, title=f"{brand} {' '.join(parts)} original line", brand=brand)


@lru_cache(maxsize=8)
def bases(start: int, stop: int) -> tuple[Base, ...]:
    """A match of each product, and a non-match of each with the next of its kind."""
    rng = random.Random(start)
    found = []
    for number in range(start, stop):
        left, right = offer(number, "left", rng=rng), offer(number, "right", rng=rng)
        found.append(Base(left, right, 1, f"p{number}", "made"))
        found.append(Base(left, offer(number + 24, "right", rng=rng), 0, f"p{number}+", "made"))
    return tuple(found)


@lru_cache(maxsize=8)
def cases(name: JudgeName, start: int = 200, stop: int = 240, per_kind: int = 25) -> tuple[Preference, ...]:
    """Preferences of products that no made judge is trained on."""
    return tuple(preferences(name, kinds_of(name), bases(start, stop), per_kind, seed=1, evaluation=True))


@lru_cache(maxsize=3)
def data(name: JudgeName) -> TrainingData:
    """What a made judge is trained on."""
    seen = kinds_of(name, seen=True)
    train = preferences(name, seen, bases(0, 120), 60, seed=2, evaluation=False)
    held = preferences(name, seen, bases(120, 150), 20, seed=2, evaluation=False)
    return TrainingData(train[:40], train, held)


class Indifferent:
    """Says the same of everything."""

    def __init__(self, name: JudgeName = "core_identity", value: float = 0.5) -> None:
        self._name, self._value = name, value

    @property
    def name(self) -> JudgeName:
        return self._name

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return JUDGE_ATTRIBUTES[self._name]

    @property
    def digest(self) -> str:
        return f"indifferent-{self._value}"

    def score(self, claims: Sequence[Claim]) -> Floats:
        return np.full(len(claims), self._value)
