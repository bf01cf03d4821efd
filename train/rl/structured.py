"""The trainer of the parallel slots: the exact gradient of the expected reward, or of SFT's loss for the control.

It is the trainer of SFT (`train.sft.loop`), with its resumption, its averaging over processes and its clock; what is
new is the loss, that layers below the trained ones come from cached activations, and the panels with their monitor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor

from schemas.prompt import SLOTS
from train.rewards import Floats, Ints
from train.rl.config import RlConfig
from train.rl.hacking import Reading, Rule
from train.rl.panel import PanelTruth, measure
from train.rl.policy import objective
from train.rl.scoring import Network, score_examples
from train.rl.watching import WatchedTrainer
from train.sft.epochs import Row
from train.sft.examples import Example
from train.sft.loop import RunTrainer
from train.sft.packing import group_examples, pack
from train.sft.trainer import slot_losses

WINDOW_PAIRS = 160
"""Pairs are shuffled and packed within stretches of so many, so that hard ones stay first."""


@dataclass(frozen=True)
class Lessons:
    """What the pool's examples earn.

    Attributes:
        examples: one a pair.
        labels: [pairs].
        rewards: [pairs, 486], the total of every outcome.
        reference: [pairs, 6, 3], log-probabilities of the SFT student.
    """

    examples: Sequence[Example]
    labels: Ints
    rewards: Floats
    reference: Floats


@dataclass(frozen=True)
class Watch:
    """What is looked at on the way: the panel's examples, its truth and products, and the monitor's rule."""

    examples: Sequence[Example]
    truth: PanelTruth
    products: Ints
    rule: Rule


def rows_in_order(
    examples: Sequence[Example], order: Sequence[int], needed: int, seed: int, row_tokens: int
) -> list[Row]:
    """Packed rows in training order, ``needed`` of them: passes over the order, each packed anew.

    Raises:
        ValueError: there is no example.
    """
    if not order:
        raise ValueError("no pair is left to train on")
    rows: list[Row] = []
    epoch = 0
    while len(rows) < needed:
        for start in range(0, len(order), WINDOW_PAIRS):
            window = [examples[number] for number in order[start : start + WINDOW_PAIRS]]
            rows += pack(group_examples(window, row_tokens), seed + 1_000 * epoch + start, row_tokens)
        epoch += 1
    return rows[:needed]


def collator(network: Network, rows: Sequence[Row], examples: Sequence[Example]) -> Callable[..., dict[str, Tensor]]:
    """A data collator over ``{"row": index}`` that adds ``numbers`` [examples], the place of each in the lessons."""
    number_of = {id(example): number for number, example in enumerate(examples)}

    def collate_items(items: list[dict[str, Any]]) -> dict[str, Tensor]:
        chosen = [rows[int(item["row"])] for item in items]
        held = [number_of[id(example)] for row in chosen for group in row for example in group.examples]
        return {**network.batch(chosen), "numbers": torch.tensor(held)}

    return collate_items


class StructuredTrainer(WatchedTrainer, RunTrainer):
    """A RunTrainer whose loss is the exact objective, and whose validation is the panel.

    Args:
        config: of the run.
        network: the model from the first trained layer on.
        lessons: of the pool.
        watch: the panel; all else as of :class:`RunTrainer`.
    """

    def __init__(
        self, *args: Any, config: RlConfig, network: Network, lessons: Lessons, watch: Watch, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.watch_with(config, self.folder, watch.products, watch.rule)
        self.network = network
        self.watch = watch
        self._labels = torch.from_numpy(lessons.labels)
        self._rewards = torch.from_numpy(lessons.rewards).float()
        self._reference = torch.from_numpy(lessons.reference).float()

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        numbers = inputs.pop("numbers").cpu()
        logits = self.network.logits(inputs)
        wanted = inputs["slot_choices"].to(logits.device)
        loss, parts = self._supervised(logits, wanted) if self.config.objective == "sft" else self._rl(logits, numbers)
        for name, value in parts.items():
            self._metrics["train"][name].append(float(value.detach()))
        return (loss, {"logits": logits}) if return_outputs else loss

    def _rl(self, logits: Tensor, numbers: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        device = logits.device
        found = objective(
            logits, self._reference[numbers].to(device), self._rewards[numbers].to(device),
            self._labels[numbers].to(device), self.config.reward, self.config.beta,
        )  # fmt: skip
        parts = {"reward": found.reward, "proper": found.proper, "kl": found.divergence, "entropy": found.entropy}
        return -found.value, parts

    def _supervised(self, logits: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        parts = {f"loss_{name}": value for name, value in slot_losses(logits, wanted).items()}
        loss = parts["loss_answer"] + self.config.attribute_weight * parts.get("loss_attributes", logits.new_zeros(()))
        return loss, parts

    def look(self) -> tuple[Reading, dict[str, Any]]:
        """The panel of this step; each process scores its share of the pairs."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        mine = score_examples(self.network, self.watch.examples[rank::world])
        logits = np.empty((len(self.watch.examples), len(SLOTS), 3))
        places = range(rank, len(logits), world)
        for place, values in gather_object(list(zip(places, mine, strict=True))):
            logits[place] = values
        return measure(self.state.global_step, logits, self.watch.truth, self.config.reward)
