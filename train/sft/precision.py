"""Which floating-point format is fast here."""

from __future__ import annotations

from pathlib import Path


def fast_bf16() -> bool:
    """Whether bfloat16 matrix products are faster than float32 here: only on a GPU or with AMX tiles."""
    import torch

    if torch.cuda.is_available():
        return True
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
