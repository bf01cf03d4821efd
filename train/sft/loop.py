"""The trainer of a run: rows in their given order, validation with the averaged weights, one adapter kept.

Deviations from transformers' Trainer, and why: rows are made and ordered beforehand (`epochs`), so they are not
shuffled again; gradients of several processes are averaged here, because the loss calls the model's body past the
wrapper that would do so; validation asks the scorer instead of a loss; the log carries the time of all sessions.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import TrainerCallback

from train.pairs.pairs import Pair
from train.sft.averaging import Average, AverageCallback
from train.sft.examples import Encoder
from train.sft.scorer import score
from train.sft.trainer import SlotTrainer
from train.sft.validation import validation_metrics

BEST = "best"
ADAPTER = "adapter_model.safetensors"


class RunTrainer(SlotTrainer):
    """A SlotTrainer for one run.

    Args:
        encoder: of the base's tokenizer.
        decay: of the moving average; 0: none.
        minutes: training time of all sessions after which the run ends; None: no limit.
        sample: origin to validation pairs; empty: no validation.
        folder: of the run; the best adapter is kept in ``folder/best``.
    """

    control: Any  # transformers' TrainerControl

    def __init__(
        self,
        *args: Any,
        encoder: Encoder,
        decay: float,
        minutes: float | None,
        sample: Mapping[str, Sequence[Pair]],
        folder: Path,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.encoder = encoder
        self.sample = sample
        self.folder = folder
        self.average = Average(self.model, decay) if decay else None
        if self.average is not None:
            self.add_callback(AverageCallback(self.average))
        self.clock = Clock(minutes)
        self.add_callback(self.clock)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        loss: Tensor = super().training_step(*args, **kwargs)
        if self.accelerator.num_processes > 1 and self.accelerator.sync_gradients:
            trained = [value for value in self.model.parameters() if value.requires_grad]
            for value in trained:
                # A part without a target in this batch has no gradient here, but maybe in another process.
                value.grad = torch.zeros_like(value) if value.grad is None else value.grad
            flat = torch.cat([value.grad.flatten() for value in trained])
            flat = self.accelerator.reduce(flat, "mean")
            for value, grad in zip(trained, flat.split([value.numel() for value in trained]), strict=True):
                value.grad.copy_(grad.view_as(value))
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        logs["seconds"] = round(self.clock.seconds(), 1)
        super().log(logs, start_time)

    def _averaged(self) -> AbstractContextManager[None]:
        return nullcontext() if self.average is None else self.average.applied()

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Metrics of the averaged weights on the sample; the adapter is kept in ``folder/best`` if it is the best yet.

        Each process scores its share of the pairs.
        """
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        scored = {}
        with self._averaged():
            for origin, pairs in self.sample.items():
                found = score(self.model, self.encoder, pairs[rank::world], bf16=self.bf16_matmul).answer
                logits = np.empty(len(pairs))
                for place, value in gather_object(list(zip(range(rank, len(pairs), world), found, strict=True))):
                    logits[place] = value
                scored[origin] = logits, np.array([pair.label == 1 for pair in pairs])
            metrics = {f"eval_{name}": value for name, value in validation_metrics(scored).items()}
            if self.state.best_metric is None or metrics["eval_log_loss"] < self.state.best_metric:
                self._write(self.folder / BEST)
        self.model.eval()  # so that the log puts these apart from the losses of training
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def keep(self, adapter: Path, which: str = "best", mixed: Path | None = None, share: float = 0.0) -> None:
        """Write the run's adapter: of its (averaged) weights the best by validation, the last, or the mean of both.

        Of the weights in the folder ``mixed`` it is then given a ``share``.
        """
        if self.sample:
            done = [entry["step"] for entry in self.state.log_history if "eval_log_loss" in entry]
            if not done or done[-1] != self.state.global_step:
                self._determine_best_metric(self.evaluate(), trial=None)
        if not self.sample or which != "best":
            with self._averaged():
                self._write(adapter)
        if self.sample and self.is_world_process_zero():
            if which == "best":
                shutil.copytree(self.folder / BEST, adapter, dirs_exist_ok=True)
            elif which == "mean":
                write_mean(adapter / ADAPTER, self.folder / BEST / ADAPTER)
        if mixed is not None and self.is_world_process_zero():
            write_mean(adapter / ADAPTER, mixed / ADAPTER, share)
        self.accelerator.wait_for_everyone()

    def stopped_by(self) -> str:
        """What ended the run: its ``steps``, its ``minutes`` or its ``patience``."""
        if self.clock.expired:
            return "minutes"
        return "steps" if self.state.global_step >= self.state.max_steps else "patience"

    def _write(self, folder: Path) -> None:
        if self.is_world_process_zero():
            self.model.save_pretrained(str(folder))


def write_mean(weights: Path, other: Path, share: float = 0.5) -> None:
    """Put the mean of two adapters' weights, in which ``other`` has a ``share``, in place of the first one's."""
    own, others = load_file(str(weights)), load_file(str(other))
    # An adapter that was released has half precision.
    mean = {name: torch.lerp(value, others[name].to(value.dtype), share).contiguous() for name, value in own.items()}
    save_file(mean, str(weights), metadata={"format": "pt"})


class Clock(TrainerCallback):  # type: ignore[misc]
    """Counts the training time of all sessions, each up to the checkpoint that the next one went on from."""

    def __init__(self, minutes: float | None) -> None:
        self.minutes = minutes
        self.expired = False
        self._before = 0.0
        self._began = time.monotonic()

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._began

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._before = max((entry["seconds"] for entry in state.log_history if "seconds" in entry), default=0.0)
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.minutes is None:
            return
        self.expired = agreed(self.seconds() > 60 * self.minutes)
        if self.expired:
            control.should_training_stop = control.should_log = control.should_save = True


def agreed(value: bool) -> bool:
    """Whether any process says so: clocks differ, and one that stops alone would leave the others waiting."""
    return any(gather_object([value]))
