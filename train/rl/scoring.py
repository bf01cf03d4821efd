"""The slots' logits of examples, from a layer's cached activations or from the token ids: one forward pass for all.

Training, the reference of KL, panels and evaluation all come through here, so that a number of one is a number of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from schemas.prompt import SLOTS
from train.rewards import Floats
from train.rl.activations import Activations, autocast
from train.rl.depth import upper
from train.sft.examples import Example
from train.sft.packing import Group, collate, group_examples, pack
from train.sft.trainer import additive_mask, slot_logits

Progress = Callable[[int], None]
ROWS_PER_BATCH = 8


@dataclass(frozen=True)
class Network:
    """A model from a layer on, with what it needs to read slots.

    Attributes:
        causal: the causal language model, adapter included.
        first: the first layer that is run; 0 for all.
        store: of the states at that layer's input; None for all layers.
        choice_ids: of the encoder.
        half: whether matrix products are bfloat16.
    """

    causal: Any
    first: int
    store: Activations | None
    choice_ids: Sequence[Sequence[int]]
    half: bool

    def batch(self, rows: Sequence[Sequence[Group]], least: int = 0) -> dict[str, Tensor]:
        """Rows as tensors: those of :func:`collate`, and ``hidden`` [rows, length, width] where there is a store."""
        arrays = collate(rows, least)
        made = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if self.store is not None:
            made["hidden"] = torch.from_numpy(self.store.rows(rows, arrays["input_ids"].shape[1]))
        return made

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """[examples, 6, 3] in float32, in the order of the rows' examples; minus infinity where there is no choice."""
        device = self.causal.device
        batch = {name: value.to(device) for name, value in batch.items()}
        dtype = torch.bfloat16 if self.half else torch.float32
        given = {"inputs_embeds": batch["hidden"].float()} if "hidden" in batch else {"input_ids": batch["input_ids"]}
        with autocast(device.type, self.half):
            hidden = upper(self.causal, self.first)(
                **given,
                position_ids=batch["position_ids"],
                attention_mask=additive_mask(batch["allowed"].cpu(), dtype).to(device),
                use_cache=False,
            ).last_hidden_state
        head = self.causal.get_output_embeddings().weight
        return slot_logits(hidden[batch["slot_rows"], batch["slot_positions"]], head, self.choice_ids)


def score_examples(network: Network, examples: Sequence[Example], progress: Progress = lambda _: None) -> Floats:
    """Logits [examples, 6, 3] without gradient; equal examples are computed once."""
    places: dict[Example, list[int]] = {}
    for number, example in enumerate(examples):
        places.setdefault(example, []).append(number)
    rows = sorted(pack(group_examples(places), seed=0), key=lambda row: sum(group.tokens for group in row))
    found = np.full((len(examples), len(SLOTS), 3), np.nan)
    was_training = network.causal.training
    network.causal.eval()
    try:
        for start in range(0, len(rows), ROWS_PER_BATCH):
            batch = rows[start : start + ROWS_PER_BATCH]
            with torch.no_grad():
                logits = network.logits(network.batch(batch)).double().cpu().numpy()
            held = [example for row in batch for group in row for example in group.examples]
            for example, values in zip(held, logits, strict=True):
                found[places[example]] = values
            progress(sum(len(places[example]) for example in held))
    finally:
        network.causal.train(was_training)
    return found
