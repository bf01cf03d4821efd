"""A small made-up held-out set with everything that the suites change, and the tiny student to judge it."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.offer import Offer
from train.pairs.pairs import Pair
from worker.student.student import Student

COLOURS = ("black", "silver", "blue", "red", "white", "pink")


def a_pair(number: int, label: int, origin: str) -> Pair:
    """A camera at two sellers; a non-match has another code."""
    colour, code = COLOURS[number % len(COLOURS)], 1_100 + 10 * number
    left = Offer(
        offer_id=f"l{number}",
        source="a",
        title=f"Sony DSC-W{code} standard compact camera with leather strap and charger {colour} 16GB",
        brand="Sony",
        price="100",
        description="A camera for everybody",
    )
    other = code if label else code + 7
    right = Offer(
        offer_id=f"r{number}", source="b", title=f"sony standard compact camera {colour} 16 gb dscw{other} for travel"
    )
    return Pair(f"{origin}{number}", left, right, label, origin)


@pytest.fixture(scope="session")
def sets() -> dict[str, list[Pair]]:
    return {name: [a_pair(number, number % 2, name) for number in range(24)] for name in ("one", "two")}


@pytest.fixture(scope="session")
def student(tiny_bundle: Path) -> Student:
    return Student.load(tiny_bundle, threads=1)
