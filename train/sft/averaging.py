"""A moving average of the adapter's weights: steadier than the last step's, at the cost of one copy of the adapter.

The decay warms up as min(decay, (1 + t) / (10 + t)) at step t, as TensorFlow's ExponentialMovingAverage has it, so that
the first, untrained weights are soon forgotten. The update is torch's own (`torch.optim.swa_utils`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn
from transformers import TrainerCallback

AVERAGE_FILE = "average.safetensors"


class Average:
    """The average of a model's trainable parameters, by name."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self._live = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self.weights: dict[str, Tensor] = {}
        self.reset()

    def reset(self) -> None:
        """Begin again at the model's weights."""
        self.weights = {name: value.detach().clone() for name, value in self._live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the model's weights after optimiser step ``step``, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        live = [self._live[name].detach() for name in self.weights]
        get_ema_multi_avg_fn(decay)(list(self.weights.values()), live, step)  # type: ignore[no-untyped-call]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model holds the average inside, and its own weights again afterwards."""
        kept = {name: value.detach().clone() for name, value in self._live.items()}
        self._copy(self.weights)
        try:
            yield
        finally:
            self._copy(kept)

    @torch.no_grad()
    def _copy(self, weights: dict[str, Tensor]) -> None:
        for name, value in self._live.items():
            value.copy_(weights[name])

    def save(self, path: Path) -> None:
        save_file({name: value.contiguous().cpu() for name, value in self.weights.items()}, str(path))

    def load(self, path: Path) -> None:
        """Go on from a saved average of the same parameters."""
        saved = load_file(str(path))
        self.weights = {name: saved[name].to(value.device) for name, value in self._live.items()}


class AverageCallback(TrainerCallback):  # type: ignore[misc]
    """Updates the average after each step and keeps it beside each checkpoint."""

    def __init__(self, average: Average) -> None:
        self.average = average

    def _file(self, args: Any, state: Any) -> Path:
        return Path(args.output_dir) / f"checkpoint-{state.global_step}" / AVERAGE_FILE

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step and (file := self._file(args, state)).is_file():
            self.average.load(file)
        else:  # a new run, or a checkpoint of one without an average
            self.average.reset()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.average.update(state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self.average.save(self._file(args, state))
