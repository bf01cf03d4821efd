"""A run in two processes, as on two GPUs, started by accelerate's own launcher."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from .making import tiny_adapter

HERE = Path(__file__).parent


@pytest.mark.slow
def test_two_processes_agree_on_weights_and_panels(tiny_base: Path, tmp_path: Path) -> None:
    run, told = tmp_path / "run", tmp_path / "told"
    told.mkdir()
    adapter = tiny_adapter(tiny_base, tmp_path / "start")
    # `--cpu` would start one process only; with `--multi_gpu` the launcher starts as many as it is asked for.
    launch = [sys.executable, "-W", "ignore", "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    fixed = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    done = subprocess.run(
        [*launch, *fixed, str(HERE / "processes.py"), str(tiny_base), str(adapter), str(run), str(told)],
        env={
            **os.environ,
            "ACCELERATE_USE_CPU": "true",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(HERE.parents[2]),
        },
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (orjson.loads((told / f"{rank}.json").read_bytes()) for rank in (0, 1))
    assert first["processes"] == second["processes"] == 2
    # The gradients are averaged: the same weights after; each scored its share, and both know the whole panel.
    assert first["weights"] == second["weights"]
    assert first["panels"] == second["panels"]
    facts = orjson.loads((run / "training.json").read_bytes())
    assert (facts["processes"], facts["steps"], facts["seen"]["rows"]) == (2, 3, 6)
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
    assert [entry["step"] for entry in facts["log"] if "eval_proxy" in entry] == [2, 3]
