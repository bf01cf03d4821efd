"""Hidden states at the input of a layer, computed once and kept on disk: what training of the layers above begins from.

A token of a prefix sees its prefix alone, a token of a suffix its prefix and itself (`train.sft.packing`), so states
are kept once for each prefix and each suffix, in half precision, and put together into whatever rows a step has. The
file is named by what it depends on: base, adapter, prompt, layer and the token ids of every example.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.format import open_memmap

from schemas.prompt import PROMPT_HASH
from train.rl.depth import lower
from train.sft.examples import Example
from train.sft.packing import Group, collate, group_examples, pack
from train.sft.precision import fast_bf16
from train.sft.trainer import additive_mask

Part = tuple[tuple[int, ...], tuple[int, ...]]
"""Token ids of a prefix, and of the suffix that follows it; a prefix by itself has an empty suffix."""
ROWS_PER_BATCH = 6
LARGEST = float(np.finfo(np.float16).max)
Progress = Callable[[int], None]


class ActivationError(ValueError):
    """A hidden state that half precision cannot hold."""


def parts_of(examples: Iterable[Example]) -> list[Part]:
    """Every prefix and every suffix of the examples, each once, in order of first appearance."""
    parts: dict[Part, None] = {}
    for example in examples:
        parts[example.prefix, ()] = None
        parts[example.prefix, example.suffix] = None
    return list(parts)


def key_of(parts: Sequence[Part], layer: int, *sources: str) -> str:
    """SHA-256 (hex) of all that the states depend on; ``sources`` are the digests of base and adapter."""
    found = hashlib.sha256("\0".join((PROMPT_HASH, str(layer), *sources)).encode())
    for prefix, suffix in parts:
        found.update(np.array([len(prefix), *prefix, len(suffix), *suffix], np.int32).tobytes())
    return found.hexdigest()


class Activations:
    """States of examples: a memory-mapped array [tokens, width] and where each part stands in it."""

    def __init__(self, states: npt.NDArray[np.float16], parts: Sequence[Part]) -> None:
        self.states = states
        self.start: dict[Part, int] = {}
        at = 0
        for part in parts:
            self.start[part] = at
            at += len(part[1] or part[0])
        if at != len(states):
            raise ValueError(f"{len(states)} states for {at} tokens")

    def rows(self, rows: Sequence[Sequence[Group]], length: int) -> npt.NDArray[np.float16]:
        """States [rows, length, width] in the layout of :func:`train.sft.packing.collate`; 0 where padded."""
        found = np.zeros((len(rows), length, self.states.shape[1]), np.float16)
        for number, row in enumerate(rows):
            for part, place, size in _laid_out(row):
                start = self.start[part]
                found[number, place : place + size] = self.states[start : start + size]
        return found


def _laid_out(row: Sequence[Group]) -> Iterator[tuple[Part, int, int]]:
    """Each part of a packed row, where it begins and how many tokens it has."""
    place = 0
    for group in row:
        prefix = group.examples[0].prefix
        for part in ((prefix, ()), *((prefix, example.suffix) for example in group.examples)):
            size = len(part[1] or part[0])
            yield part, place, size
            place += size


def activations(
    causal: Any,
    layer: int,
    examples: Sequence[Example],
    folder: Path,
    sources: Sequence[str],
    progress: Progress = lambda _: None,
    *,
    half: bool | None = None,
) -> Activations:
    """The states of the examples at the input of a layer, from ``folder`` where they were computed before.

    Args:
        causal: the model with its adapter; the layers below ``layer`` are run where the file is missing.
        layer: which input, at least 1.
        examples: of any number; equal parts are computed once.
        folder: of the files; another run of the same base, adapter and prompt shares them.
        sources: digests of base and adapter.
        progress: told how many tokens each batch has brought.
        half: bfloat16 in the layers below; default: where that is faster.

    Raises:
        ActivationError: a state is too large for half precision.
        train.rl.depth.DepthError: the model has no such layer.
    """
    parts, bf16 = parts_of(examples), fast_bf16() if half is None else half
    path = folder / f"activations-{layer}-{key_of(parts, layer, *sources, f'half:{bf16}')[:24]}.npy"
    if not path.is_file():
        _compute(causal, layer, examples, parts, path, progress, bf16)
    return Activations(np.load(path, mmap_mode="r"), parts)


def _compute(
    causal: Any,
    layer: int,
    examples: Sequence[Example],
    parts: Sequence[Part],
    path: Path,
    progress: Progress,
    half: bool,
) -> None:
    body, width = lower(causal, layer), causal.config.hidden_size
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    tokens = sum(len(suffix or prefix) for prefix, suffix in parts)
    try:
        store = open_memmap(partial, mode="w+", dtype=np.float16, shape=(tokens, width))
        made = Activations(store, parts)
        rows = sorted(pack(group_examples(dict.fromkeys(examples)), seed=0), key=_tokens)
        for start in range(0, len(rows), ROWS_PER_BATCH):
            batch = rows[start : start + ROWS_PER_BATCH]
            hidden = _hidden(causal, body, batch, half)
            if not np.abs(hidden).max() < LARGEST:
                raise ActivationError(f"a hidden state at layer {layer} is larger than half precision holds")
            for number, row in enumerate(batch):
                for part, place, size in _laid_out(row):
                    at = made.start[part]
                    store[at : at + size] = hidden[number, place : place + size]
            progress(sum(_tokens(row) for row in batch))
        store.flush()
        del store, made
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _tokens(row: Sequence[Group]) -> int:
    return sum(group.tokens for group in row)


def _hidden(causal: Any, body: Any, rows: Sequence[Sequence[Group]], half: bool) -> npt.NDArray[np.float32]:
    arrays = {name: torch.from_numpy(array).to(causal.device) for name, array in collate(rows).items()}
    dtype = torch.bfloat16 if half else torch.float32
    was_training = causal.training
    causal.eval()
    with torch.no_grad(), autocast(causal.device.type, half):
        hidden = body(
            input_ids=arrays["input_ids"],
            position_ids=arrays["position_ids"],
            attention_mask=additive_mask(arrays["allowed"].cpu(), dtype).to(causal.device),
            use_cache=False,
        ).last_hidden_state
    causal.train(was_training)
    return np.asarray(hidden.float().cpu().numpy(), dtype=np.float32)


def autocast(device: str, half: bool) -> contextlib.AbstractContextManager[Any]:
    """Matrix products in bfloat16, or as they are."""
    return torch.autocast(device, torch.bfloat16) if half else contextlib.nullcontext()
