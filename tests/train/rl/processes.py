"""One process of an RL run in several, started by the launcher: arguments are base, adapter, the run's folder and a
folder for what this process ended with."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import orjson
import torch
from accelerate import PartialState

from tests.train.rl.making import RuleJudge, tiny_config, tiny_pool
from train.rl.recipe import run_rl
from train.rl.structured import StructuredTrainer


def main(base: str, adapter: str, run: str, told: str) -> None:
    torch.set_num_threads(1)
    config = tiny_config(Path(base), Path(adapter), rows_per_step=1, row_tokens=128, steps=3, keep="last")
    facts: dict[str, Any] = {}
    finish = StructuredTrainer.finish

    def ended(self: Any, folder: Path) -> int:
        trained = [value.detach().numpy().tobytes() for value in self.model.parameters() if value.requires_grad]
        facts["weights"] = hashlib.sha256(b"".join(trained)).hexdigest()
        best = finish(self, folder)
        facts["panels"] = self.panels.metrics
        return best

    StructuredTrainer.finish = ended  # type: ignore[method-assign, assignment]
    run_rl(config, Path(run), judges=([RuleJudge()], []), pool=tiny_pool(), cache=Path(told) / "cache")
    state = PartialState()
    facts |= {"processes": state.num_processes}
    (Path(told) / f"{state.process_index}.json").write_bytes(orjson.dumps(facts))
    state.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
