"""One process of a run in several, started by the launcher: arguments are the base, the run's folder and a folder for
what this process saw and ended with."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import torch
from accelerate import PartialState

from export.verify import frozen_pairs
from train.pairs.mixture import Mixture, TrainingPair
from train.pairs.pairs import Pair
from train.rationales.imported import ImportReport
from train.rationales.verdicts import Targets
from train.sft.averaging import Average
from train.sft.config import SftConfig
from train.sft.loop import RunTrainer
from train.sft.recipe import run_sft

STEPS = 3


def digest(tensors: Sequence[torch.Tensor]) -> str:
    return hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)).hexdigest()


def main(base: str, run: str, told: str) -> None:
    torch.set_num_threads(1)
    pairs = [Pair(str(n), item.query, item.candidate, n % 2, "frozen") for n, item in enumerate(frozen_pairs()[:20])]
    mixture = Mixture([TrainingPair(pair, Targets()) for pair in pairs], {}, {}, ImportReport())
    config = SftConfig(
        base=base, max_steps=STEPS, rows_per_step=1, rank=2, keep_easy=1.0, threads=1, average=0.9, evaluate_every=2,
        learning_rate=1e-2, row_tokens=128,
    )  # fmt: skip
    seen: list[str] = []
    weights: dict[str, str] = {}
    step = RunTrainer.training_step
    started = Average.reset

    def recorded(self: Any, model: Any, inputs: dict[str, torch.Tensor], *rest: Any) -> Any:
        seen.append(digest([inputs["input_ids"].cpu()]))
        return step(self, model, inputs, *rest)

    def remembered(self: Average) -> None:
        started(self)
        weights["first"] = digest(list(self.weights.values()))

    RunTrainer.training_step = recorded  # type: ignore[method-assign]
    Average.reset = remembered  # type: ignore[method-assign]
    kept = RunTrainer.keep

    def ended(self: Any, adapter: Path, *rest: Any) -> None:
        weights["last"] = digest([value for value in self.model.parameters() if value.requires_grad])
        kept(self, adapter, *rest)

    RunTrainer.keep = ended  # type: ignore[method-assign, assignment]
    run_sft(config, Path(run), mixture, {"frozen": pairs})
    state = PartialState()
    facts = {"rank": state.process_index, "processes": state.num_processes, "seen": seen, "weights": weights}
    (Path(told) / f"{state.process_index}.json").write_bytes(orjson.dumps(facts))
    state.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
