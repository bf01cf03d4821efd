from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.verification.records import Claim
from train.verification.strata import ambiguity, levels, merge, stratify, values


def test_ambiguity_is_the_greatest_doubt() -> None:
    def of(**columns: float) -> float:
        return ambiguity(Claim(pair_id="p", answer="same", **columns))  # type: ignore[arg-type]

    assert math.isnan(of())
    assert of(confidence=0.5) == 1
    assert of(confidence=0.9) == pytest.approx(0.2)
    assert of(student_probability=0.95) == pytest.approx(0.1)
    # A sure student that says the contrary.
    assert of(student_probability=0.01, confidence=1.0) == pytest.approx(0.99)


def test_value_is_price_times_traffic() -> None:
    priced, visited = (
        Claim(pair_id="a", answer=None, price=3.0),
        Claim(pair_id="b", answer=None, price=2.0, traffic=5.0),
    )
    assert values([priced, visited]).tolist()[1] == 10
    assert np.isnan(values([priced, visited])[0])
    assert values([priced]).tolist() == [3.0]


def test_levels_are_cut_at_quantiles() -> None:
    found = levels(np.array([*range(10), np.nan]))
    assert found == ["low"] * 5 + ["mid"] * 3 + ["high"] * 2 + ["unknown"]
    assert levels(np.array([np.nan])) == ["unknown"]
    # With ties no level is made up.
    assert levels(np.zeros(4)) == ["low"] * 4


def test_only_factors_that_are_stated_make_strata() -> None:
    claims = [Claim(pair_id=str(n), answer="same", source="ab"[n % 2], change_rate=float(n)) for n in range(200)]
    found = stratify(claims, minimum=10, most=50)
    assert found.names == tuple(
        sorted(f"source={source}|change={level}" for source in "ab" for level in ("low", "mid", "high"))
    )
    assert found.sizes.sum() == 200
    weights = dict(zip(found.names, found.weights.tolist(), strict=True))
    assert (weights["source=a|change=low"], weights["source=a|change=high"]) == (1, 4)
    assert len(stratify(claims, minimum=10, most=2).names) <= 2
    assert stratify(claims[:3], minimum=10, most=9).names == ("source=*|change=*",)


rows = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("12")), max_size=60)


@settings(deadline=None, max_examples=60)
@given(rows, st.integers(1, 12))
def test_small_cells_are_merged_and_large_ones_kept(cells: list[tuple[str, ...]], minimum: int) -> None:
    merged = merge(cells, minimum)
    for before, after in zip(cells, merged, strict=True):
        if cells.count(before) >= minimum:
            assert after == before
        # What is merged keeps its first factors.
        kept = [name for name in after if name != "*"]
        assert tuple(kept) == before[: len(kept)]
        assert merged.count(after) >= minimum or set(after) == {"*"}
