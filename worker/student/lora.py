"""Merge a low-rank adapter into a weight so that any machine gets the same bits.

W' = W + scale * B A (Hu et al. 2021, arXiv:2106.09685, section 4.1). A matrix product may add in any order, and BLAS
libraries do; so the ranks are added one after another in fp32 with separate multiply and add. The export and the
assembly call this very function; peft's own merge differs in the low bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def merge(weight: FloatArray, a: FloatArray, b: FloatArray, scale: float) -> FloatArray:
    """Add the adapter to `weight`, in place, and return it.

    Args:
        weight: [out, in], fp32.
        a: [rank, in], fp32 values of the adapter's fp16 file.
        b: [out, rank], likewise.
        scale: alpha / rank (or alpha / sqrt(rank) for rank-stabilised adapters).

    Raises:
        ValueError: the shapes do not fit.
    """
    rank = a.shape[0]
    if weight.shape != (b.shape[0], a.shape[1]) or b.shape[1] != rank:
        raise ValueError(f"adapter of {b.shape} and {a.shape} does not fit a weight of {weight.shape}")
    scaled = b * np.float32(scale)
    for i in range(rank):
        weight += scaled[:, i : i + 1] * a[i]
    return weight


def unpermute(weight: FloatArray, heads: int) -> FloatArray:
    """Undo llama.cpp's row order of q and k, whose rotary halves are interleaved.

    Rows [heads, dim/2, 2] become [heads, 2, dim/2].
    """
    rows, columns = weight.shape
    dim = rows // heads
    return weight.reshape(heads, dim // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
