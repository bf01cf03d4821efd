"""Which floating-point format is fast here."""

from __future__ import annotations

from pathlib import Path

FLAGS = ("amx_bf16", "avx512_bf16")
"""Of a CPU: tiles, or dot products of bfloat16 (a core with these: 440 GFLOP/s against 98 at [2048, 576, 1536])."""


def fast_bf16() -> bool:
    """Whether bfloat16 matrix products are faster than float32 here: on a GPU, or a CPU with instructions for them."""
    import torch

    if torch.cuda.is_available():
        return True
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return any(flag in flags for flag in FLAGS)
