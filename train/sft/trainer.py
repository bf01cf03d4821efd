"""The trainer: trl's SFTTrainer with a loss on the slots, where only the choices' logits are computed.

Deviations from plain SFT, and why: rows are packed with shared prefixes (``packing``), so the attention mask is given;
the output head (a fifth of the model's work) is computed at the slots for three tokens only, and over the vocabulary
only where a sentence is trained.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from trl import SFTTrainer

from schemas.prompt import SLOTS
from schemas.rationale import VERDICTS
from train.sft.examples import IGNORED, NOT_DIFFERENT
from train.sft.packing import Group, collate


def collator(rows: Sequence[Sequence[Group]], least: int = 0) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
    """A data collator over dataset items ``{"row": index into rows}``; rows are padded to ``least`` tokens."""

    def collate_items(items: list[dict[str, Any]]) -> dict[str, Tensor]:
        arrays = collate([rows[int(item["row"])] for item in items], least)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    return collate_items


def additive_mask(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """Bool [rows, length, length] to the additive mask [rows, 1, length, length] that attention takes."""
    return torch.zeros(allowed.shape, dtype=dtype).masked_fill_(~allowed, torch.finfo(dtype).min)[:, None]


def can_compile() -> bool:
    """Whether `torch.compile` can make CPU kernels here: it calls a C++ compiler."""
    return torch.cuda.is_available() or any(shutil.which(name) for name in ("g++", "clang++"))


def fused_body(causal: Any) -> Any:
    """The model's body compiled for one fixed shape, with attention written out.

    Measured on two cores with AMX (6 rows of 384 tokens, LoRA on all linear layers): 3.4 s a step as it is, 2.2 s
    compiled, 1.8 s with attention written out as well, for the fused kernel's backward pass is slow with a mask.
    """
    causal.config._attn_implementation = "eager"
    return torch.compile(causal.base_model, dynamic=False)


def slot_logits(hidden: Tensor, head: Tensor, choice_ids: Sequence[Sequence[int]]) -> Tensor:
    """Logits of the choices of each slot.

    Args:
        hidden: [examples, slots, width], the final hidden states at the slot labels.
        head: [vocabulary, width], the output head's weight.
        choice_ids: per slot the token ids of its choices; shorter lists are padded with minus infinity.

    Returns:
        [examples, slots, most choices] in float32.
    """
    width = max(len(ids) for ids in choice_ids)
    logits = hidden.new_full((*hidden.shape[:2], width), float("-inf"), dtype=torch.float32)
    for slot, ids in enumerate(choice_ids):
        logits[:, slot, : len(ids)] = hidden[:, slot].float() @ head[list(ids)].float().T
    return logits


def attribute_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean loss over the attribute slots that have a target.

    Args:
        logits: [slots, verdicts].
        targets: [slots], the verdict's index, ``NOT_DIFFERENT`` or ``IGNORED``; of the first two there must be one.

    Returns:
        The mean of -log p(target), and of -log(1 - p(different)) where the target is partial.
    """
    shares = functional.log_softmax(logits, dim=-1)
    known, partial = targets >= 0, targets == NOT_DIFFERENT
    losses = [functional.nll_loss(shares[known], targets[known], reduction="none")]
    others = [place for place, verdict in enumerate(VERDICTS) if verdict != "different"]
    losses.append(-torch.logsumexp(shares[partial][:, others], dim=-1))
    return torch.cat(losses).mean()


def slot_losses(logits: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """Mean losses of logits [pairs, slots, choices]: ``answer``, and ``attributes`` where any has a target."""
    answer = len(SLOTS) - 1
    found = {"answer": functional.cross_entropy(logits[:, answer, :2], wanted[:, answer])}
    flat, targets = logits[:, :answer].flatten(0, 1), wanted[:, :answer].flatten()
    if bool((targets != IGNORED).any()):
        found["attributes"] = attribute_loss(flat, targets)
    return found


class SlotTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with the loss answer + ``attribute_weight`` x attributes + ``sentence_weight`` x sentence.

    Each is a mean cross-entropy.
    """

    def __init__(
        self,
        *args: Any,
        choice_ids: list[list[int]],
        attribute_weight: float,
        sentence_weight: float,
        bf16_matmul: bool,
        compiled: bool = False,
        **kwargs: Any,
    ) -> None:
        self.choice_ids = choice_ids
        self.attribute_weight = attribute_weight
        self.sentence_weight = sentence_weight
        self.bf16_matmul = bf16_matmul
        self.compiled = compiled
        self._body: Any = None
        super().__init__(*args, **kwargs)

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        causal = self.accelerator.unwrap_model(model).get_base_model()
        if self._body is None:
            self._body = fused_body(causal) if self.compiled else causal.base_model
        dtype = torch.bfloat16 if self.bf16_matmul else torch.float32
        context = (
            torch.autocast(inputs["input_ids"].device.type, torch.bfloat16)
            if self.bf16_matmul
            else contextlib.nullcontext()
        )
        with context:
            hidden = self._body(
                input_ids=inputs["input_ids"],
                position_ids=inputs["position_ids"],
                attention_mask=additive_mask(inputs["allowed"].cpu(), dtype).to(inputs["input_ids"].device),
                use_cache=False,
            ).last_hidden_state
        head = causal.get_output_embeddings().weight
        logits = slot_logits(hidden[inputs["slot_rows"], inputs["slot_positions"]], head, self.choice_ids)
        parts = slot_losses(logits, inputs["slot_choices"])
        if inputs["sentence_ids"].numel():
            spoken = hidden[inputs["sentence_rows"], inputs["sentence_positions"]].float()
            parts["sentence"] = functional.cross_entropy(spoken @ head.float().T, inputs["sentence_ids"])
        loss = parts["answer"]
        loss = loss + self.attribute_weight * parts.get("attributes", loss.new_zeros(()))
        loss = loss + self.sentence_weight * parts.get("sentence", loss.new_zeros(()))
        for name, value in parts.items():
            self._metrics["train"][f"loss_{name}"].append(float(value.detach()))
        return (loss, {"logits": logits}) if return_outputs else loss
