"""Grouping of candidates."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from worker.student.batches import PASS_TOKENS, batches

LENGTHS = st.lists(st.integers(6, 300), max_size=40)


@given(LENGTHS, st.integers(1, 200), st.integers(1, 3000))
def test_every_row_once_within_the_budget(lengths: list[int], shared: int, budget: int) -> None:
    found = batches(lengths, shared, budget)
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * (shared + max(lengths[row] for row in batch)) <= budget
    for shorter, longer in pairwise(found):
        assert max(lengths[row] for row in shorter) <= min(lengths[row] for row in longer)


def cost(lengths: list[int], found: list[list[int]]) -> int:
    return sum(PASS_TOKENS + len(batch) * max(lengths[row] for row in batch) for batch in found)


@given(LENGTHS)
def test_never_dearer_than_one_batch_or_one_by_one(lengths: list[int]) -> None:
    found = batches(lengths, 0, 10**9)
    assert cost(lengths, found) <= cost(lengths, [[row] for row in range(len(lengths))])
    assert not lengths or cost(lengths, found) <= cost(lengths, [list(range(len(lengths)))])


def test_examples() -> None:
    assert batches([], 50) == []
    assert batches([40, 41, 40], 50) == [[0, 2, 1]]
    assert batches([40, 250, 41], 50) == [[0, 2], [1]]
