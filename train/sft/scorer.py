"""Scores of pairs straight from the torch model: what early stopping and cross-validation ask, without an export.

Rows are packed with shared prefixes as in training, and only the slots' choices pass the output head. What is released
is measured with the serving engine (`train.evaluation`); in fp32 both say the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from export.base import load_base
from schemas.prompt import SLOTS
from train.pairs.mixture import TrainingPair
from train.pairs.pairs import Pair
from train.rationales.verdicts import Targets
from train.sft.examples import Encoder, Example
from train.sft.packing import Group, collate, group_examples, pack
from train.sft.precision import fast_bf16
from train.sft.trainer import additive_mask, slot_logits

Progress = Callable[[int], None]
ANSWER = len(SLOTS) - 1


@dataclass(frozen=True)
class Scores:
    """Uncalibrated scores, in the order of the pairs.

    Attributes:
        answer: [pairs], logit of ``same`` minus logit of ``different``.
        attributes: [pairs, 5, 3], logits of the verdicts of each attribute, in the order of ``VERDICTS``.
    """

    answer: npt.NDArray[np.float64]
    attributes: npt.NDArray[np.float64]


def load_student(base: str, adapter: Path | None) -> tuple[Any, Encoder]:
    """The base with a trained adapter beside it (None: the base alone), and its encoder.

    Raises:
        export.base.BaseModelError: there is no such base.
    """
    model, tokenizer = load_base(base)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter)).eval()
    if torch.cuda.is_available():
        model = model.cuda()
    return model, Encoder(lambda text: list(tokenizer(text, add_special_tokens=False).input_ids))


def score(
    model: Any,
    encoder: Encoder,
    pairs: Sequence[Pair],
    *,
    swap: bool = False,
    rows_per_batch: int = 6,
    bf16: bool | None = None,
    progress: Progress = lambda _: None,
) -> Scores:
    """Score pairs, the left offer as the query (the right one when ``swap``). Equal prompts are computed once.

    Args:
        model: a causal language model of transformers, or one with a peft adapter; its mode is restored afterwards.
        bf16: autocast to bfloat16; default: where that is faster.
        progress: told how many pairs each batch has brought.
    """
    items = [TrainingPair(pair, Targets()) for pair in pairs]
    return score_items(model, encoder, items, swap=swap, rows_per_batch=rows_per_batch, bf16=bf16, progress=progress)


def score_items(
    model: Any,
    encoder: Encoder,
    items: Sequence[TrainingPair],
    *,
    swap: bool = False,
    rows_per_batch: int = 6,
    bf16: bool | None = None,
    progress: Progress = lambda _: None,
) -> Scores:
    """As :func:`score`, for an encoder whose prompts depend on the targets (`train.sft.forms`)."""
    half = fast_bf16() if bf16 is None else bf16
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    places: dict[Example, list[int]] = {}
    for number, item in enumerate(items):
        example = encoder.example(item, swap=swap, with_sentence=False)
        places.setdefault(example, []).append(number)
    # Rows of like length stand together, so that little is padded.
    rows = sorted(pack(group_examples(places), seed=0), key=lambda row: sum(group.tokens for group in row))
    answer = np.full(len(items), np.nan)
    attributes = np.full((len(items), ANSWER, 3), np.nan)
    was_training = model.training
    model.eval()
    try:
        for start in range(0, len(rows), rows_per_batch):
            batch = rows[start : start + rows_per_batch]
            logits = _choices(causal, encoder, batch, half)
            done = 0
            for example, found in zip(_examples(batch), logits, strict=True):
                numbers = places[example]
                answer[numbers] = found[ANSWER, 0] - found[ANSWER, 1]
                attributes[numbers] = found[:ANSWER]
                done += len(numbers)
            progress(done)
    finally:
        model.train(was_training)
    return Scores(answer, attributes)


def score_both_orders(
    model: Any, encoder: Encoder, pairs: Sequence[Pair], within: float, progress: Progress = lambda _: None
) -> Scores:
    """Scores as the serving engine has them with ``both_orders_within``: what is in doubt is scored in both orders.

    Args:
        within: pairs whose answer logit is nearer to 0 than this are scored with the offers exchanged as well, and all
            their logits averaged.
    """
    found = score(model, encoder, pairs, progress=progress)
    doubtful = np.flatnonzero(np.abs(found.answer) < within)
    if len(doubtful):
        other = score(model, encoder, [pairs[int(number)] for number in doubtful], swap=True)
        found.answer[doubtful] = (found.answer[doubtful] + other.answer) / 2
        found.attributes[doubtful] = (found.attributes[doubtful] + other.attributes) / 2
    return found


def _examples(rows: Sequence[Sequence[Group]]) -> list[Example]:
    return [example for row in rows for group in row for example in group.examples]


def _choices(causal: Any, encoder: Encoder, rows: Sequence[Sequence[Group]], bf16: bool) -> npt.NDArray[np.float64]:
    """[examples, slots, 3] of a batch of rows, in the order of its examples."""
    device = causal.device
    batch = {name: torch.from_numpy(array).to(device) for name, array in collate(rows).items()}
    dtype = torch.bfloat16 if bf16 else torch.float32
    context = torch.autocast(device.type, dtype) if bf16 else contextlib.nullcontext()
    with torch.no_grad(), context:
        hidden = causal.base_model(
            input_ids=batch["input_ids"],
            position_ids=batch["position_ids"],
            attention_mask=additive_mask(batch["allowed"].cpu(), dtype).to(device),
            use_cache=False,
        ).last_hidden_state
    head = causal.get_output_embeddings().weight
    with torch.no_grad():
        logits = slot_logits(hidden[batch["slot_rows"], batch["slot_positions"]], head, encoder.choice_ids)
    return np.asarray(logits.double().cpu().numpy(), dtype=np.float64)
