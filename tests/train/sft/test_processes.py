"""A run in two processes, as on two GPUs, started by accelerate's own launcher."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
def test_two_processes_share_the_rows_and_agree_on_the_weights(tiny_base: Path, tmp_path: Path) -> None:
    run, told = tmp_path / "run", tmp_path / "told"
    told.mkdir()
    # `--cpu` would start one process only; with `--multi_gpu` the launcher starts as many as it is asked for.
    launch = [sys.executable, "-W", "ignore", "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    fixed = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    root = HERE.parents[2]
    done = subprocess.run(
        [*launch, *fixed, str(HERE / "processes.py"), str(tiny_base), str(run), str(told)],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (orjson.loads((told / f"{rank}.json").read_bytes()) for rank in (0, 1))
    assert first["processes"] == second["processes"] == 2
    # The same seed: the same weights before; the gradients are averaged: the same weights after.
    assert first["weights"] == second["weights"]
    assert first["weights"]["first"] != first["weights"]["last"]
    # Different rows, none twice.
    assert len(first["seen"]) == len(second["seen"]) == 3
    assert len(set(first["seen"]) | set(second["seen"])) == 6
    facts = orjson.loads((run / "training.json").read_bytes())
    assert (facts["processes"], facts["steps"]) == (2, 3)
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
    # One process wrote: each loss and each validation stands once in the log.
    steps = [entry["step"] for entry in facts["log"] if "eval_log_loss" in entry]
    assert steps == [2, 3]
