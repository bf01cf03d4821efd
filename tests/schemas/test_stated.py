from __future__ import annotations

import pytest

from schemas.stated import colours, packs


def test_colours_are_folded() -> None:
    assert colours("schwarz/gray gold-rose") == {"black", "grey", "gold", "rose"}
    assert colours("blackberry") == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3 pack", {"3"}), ("pack of 12", {"12"}), ("twin pack", {"2"}), ("10pk 10 pcs", {"10"}), ("package 3", set())],
)
def test_packs(text: str, expected: set[str]) -> None:
    assert packs(text) == expected
