"""The merge that export and assembly share."""

from __future__ import annotations

import numpy as np
import pytest

from worker.student.lora import merge, unpermute


def test_merge_adds_scaled_b_a() -> None:
    random = np.random.default_rng(0)
    weight, a, b = (random.normal(size=shape).astype(np.float32) for shape in ((6, 9), (3, 9), (6, 3)))
    expected = weight.astype(np.float64) + 2.0 * b.astype(np.float64) @ a.astype(np.float64)
    assert np.allclose(merge(weight.copy(), a, b, 2.0), expected, atol=1e-5)


def test_merge_adds_rank_by_rank_in_single_precision() -> None:
    """The order of additions is the contract: huge parts that cancel leave the same rest everywhere."""
    weight = np.ones((1, 1), np.float32)
    a = np.ones((3, 1), np.float32)
    b = np.array([[1e8, 1.0, -1e8]], np.float32)
    assert merge(weight, a, b, 1.0)[0, 0] == 0.0  # 1 + 1e8 -> 1e8, + 1 -> 1e8, - 1e8 -> 0


def test_shapes_that_do_not_fit() -> None:
    zeros = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match="does not fit"):
        merge(zeros, np.zeros((1, 2), np.float32), np.zeros((2, 1), np.float32), 1.0)


def test_unpermute_undoes_llama_cpp() -> None:
    weight = np.arange(2 * 8 * 3, dtype=np.float32).reshape(16, 3)
    heads = 2
    permuted = weight.reshape(heads, 2, 4, 3).swapaxes(1, 2).reshape(16, 3)  # convert_hf_to_gguf's `permute`
    assert np.array_equal(unpermute(permuted, heads), weight)
