"""How does F1 on a set that was left out of training grow with the pairs seen, and with the depth of the student?

    .venv/bin/python -m benchmarks.growth --leave-out amazon-google --layers 30 --steps 900 --out runs/growth
    .venv/bin/python -m benchmarks.growth --table --out runs/growth --write docs/benchmarks

The first line trains one student (a fresh adapter; `--layers` below the base's own keeps its first so many layers) on
all sets but one and scores that set's whole test; the second puts all runs of the folder into a table and a plot.
Calibration and threshold come from a sample of the *other* sets' validation pairs; the test chooses nothing. A run that
stands is not run again, one that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks import output
from benchmarks.growth_table import measures_of, page, plot
from export.base import load_base
from train.pairs.mixture import Mixture
from train.pairs.pairs import Pair
from train.sft.config import SftConfig
from train.sft.holdout import check_start
from train.sft.recipe import run_sft
from train.sft.scorer import load_student
from train.sft.scores import SetName, evaluation_sets, score_sets

VALIDATION = 350
"""Pairs of each other set's validation: enough for a threshold, and scoring is half of a short run's time."""
SAMPLE_SEED = 11


def settings(leave_out: str, steps: int, seed: int, **values: Any) -> SftConfig:
    """What all runs share: a fresh adapter, the pairs rewritten each epoch as other sellers would list them."""
    fixed: dict[str, Any] = {
        "learning_rate": 1e-3, "average": 0.985 if steps >= 400 else 0.95, "attribute_weight": 0.25,
        "sentence_share": 0.0, "rows_per_step": 6, "warmup_share": 0.04, "save_steps": 50,
        "augment": {"noise_share": 0.4, "edit_share": 0.1},
    }  # fmt: skip
    return SftConfig.model_validate({**fixed, "leave_out": [leave_out], "max_steps": steps, "seed": seed, **values})


def shortened(base: str, layers: int, folder: Path) -> str:
    """The base with its first ``layers`` layers only, as a folder of transformers; the base itself when it has no more.

    Raises:
        ValueError: fewer than one layer.
        export.base.BaseModelError: there is no such base.
    """
    if layers < 1:
        raise ValueError(f"layers: {layers}, there must be at least 1")
    if (folder / "config.json").exists():
        return str(folder)
    model, tokenizer = load_base(base)
    if layers >= model.config.num_hidden_layers:
        return base
    model.model.layers = model.model.layers[:layers]
    model.config.num_hidden_layers = layers
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = model.config.layer_types[:layers]
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return str(folder)


def sets_of(leave_out: str, pairs: int | None) -> dict[SetName, list[Pair]]:
    """The test of the set that was left out, and samples of the other sets' validation."""
    found: dict[SetName, list[Pair]] = {}
    for (origin, split), rows in evaluation_sets(["valid", f"{leave_out}:test"]).items():
        if split == "test":
            found[origin, split] = rows if pairs is None else random.Random(SAMPLE_SEED).sample(rows, pairs)
        elif origin != leave_out:
            found[origin, split] = random.Random(SAMPLE_SEED).sample(rows, min(pairs or VALIDATION, len(rows)))
    return found


def run(
    leave_out: str, layers: int, config: SftConfig, out: Path, sets: Mapping[SetName, Sequence[Pair]],
    mixture: Mixture | None = None,
) -> Path:  # fmt: skip
    """Train and score one student; writes ``SET-LAYERS-STEPS-SEED.json`` beside its run and returns it."""
    name = f"{leave_out}-{layers}-{config.max_steps}-{config.seed}"
    path = out / f"{name}.json"
    if path.exists():
        return path
    check_start(config)
    base = shortened(config.base, layers, out / f"base-{layers}")
    config = config.model_copy(update={"base": base})
    run_sft(config, out / name, mixture, None)
    training = orjson.loads((out / name / "training.json").read_bytes())
    model, encoder = load_student(base, out / name / "adapter")
    started = time.perf_counter()
    rows = score_sets(model, encoder, sets)
    report = {
        **output.surroundings("growth"),
        "set": leave_out,
        "layers": layers,
        "parameters": sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad),
        "steps": training["steps"],
        "seed": config.seed,
        "examples": training["seen"]["examples"],
        "train_seconds": training["seconds"],
        "score_seconds": round(time.perf_counter() - started, 1),
        "data_digest": training["data"]["digest"],
        **measures_of(rows, leave_out),
    }
    output.write(report, path)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description="F1 against data and model size.")
    parser.add_argument("--leave-out", default="amazon-google", metavar="SET")
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--steps", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--base", default="default")
    parser.add_argument("--pairs", type=int, help="score only so many pairs of each set (a trial)")
    parser.add_argument("--table", action="store_true", help="compare what was run")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--write", type=Path, metavar="DIR", help="with --table: write growth.md and growth.svg there")
    given = parser.parse_args(arguments)
    if given.steps is None and not given.table:
        parser.error("give --steps to run one student, or --table to compare")
    if given.steps is not None:
        config = settings(given.leave_out, given.steps, given.seed, base=given.base, threads=given.threads)
        given.out.mkdir(parents=True, exist_ok=True)
        print(run(given.leave_out, given.layers, config, given.out, sets_of(given.leave_out, given.pairs)))
    if given.table:
        runs = [orjson.loads(path.read_bytes()) for path in sorted(given.out.glob("*-*-*-*.json"))]
        if not runs:
            parser.error(f"--out {given.out}: nothing was run there")
        text = page(runs)
        print(text)
        if given.write is not None:
            given.write.mkdir(parents=True, exist_ok=True)
            (given.write / "growth.md").write_text(text, encoding="utf-8")
            plot(runs, given.write / "growth.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
