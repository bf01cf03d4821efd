"""A whole run on a tiny base: validation, averaging, early end, resumption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from safetensors.torch import load_file

from export.verify import frozen_pairs
from train.pairs.mixture import Mixture, TrainingPair
from train.pairs.pairs import Pair
from train.rationales.derive import derive
from train.rationales.imported import ImportReport
from train.sft.config import SftConfig
from train.sft.recipe import run_sft

pytestmark = [
    pytest.mark.slow,
    # Two checkpoints within one second make transformers doubt the clock of the file system.
    pytest.mark.filterwarnings("ignore:mtime may not be reliable:UserWarning"),
]


@pytest.fixture(scope="module")
def few() -> Mixture:
    pairs = [
        TrainingPair(
            Pair(str(number), item.query, item.candidate, number % 2, "frozen"),
            derive(item.query, item.candidate, number % 2, frozenset()),
        )
        for number, item in enumerate(frozen_pairs()[:16])
    ]
    return Mixture(pairs, {"frozen:0": 8, "frozen:1": 8}, {}, ImportReport())


def config(base: Path, **values: Any) -> SftConfig:
    fixed = {"base": str(base), "rows_per_step": 2, "rank": 2, "alpha": 4, "keep_easy": 1.0, "threads": 1}
    return SftConfig.model_validate({**fixed, "save_steps": 2, "learning_rate": 1e-2, **values})


def facts(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((run / "training.json").read_bytes())
    return found


@pytest.fixture
def sample(few: Mixture) -> dict[str, list[Pair]]:
    """Validation on the training pairs, for the public ones need the data folder."""
    return {"frozen": [item.pair for item in few.pairs]}


def test_the_best_averaged_adapter_is_kept_and_the_curves_are_drawn(
    tiny_base: Path, few: Mixture, sample: dict[str, list[Pair]], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = config(tiny_base, max_steps=5, average=0.5, evaluate_every=2, patience=9)
    adapter = run_sft(settings, run, few, sample)
    found = facts(run)
    losses = {entry["step"]: entry["eval_log_loss"] for entry in found["log"] if "eval_log_loss" in entry}
    assert sorted(losses) == [2, 4, 5]
    assert found["best_step"] == min(losses, key=lambda step: (losses[step], step))
    assert (adapter / "adapter_model.safetensors").read_bytes() == (
        run / "best" / "adapter_model.safetensors"
    ).read_bytes()
    assert (run / "checkpoints" / "checkpoint-4" / "average.safetensors").is_file()
    assert found["stopped_by"] == "steps"
    header, *rows = (run / "curves.csv").read_text().splitlines()
    assert {"step", "seconds", "eval_f1", "eval_f1_frozen", "eval_log_loss"} <= set(header.split(","))
    assert len(rows) >= 3
    assert (run / "curves.svg").read_text().startswith("<?xml")


def test_a_run_without_progress_ends_early(
    tiny_base: Path, few: Mixture, sample: dict[str, list[Pair]], tmp_path: Path
) -> None:
    # With a learning rate of next to nothing no validation is better than the first.
    settings = config(tiny_base, max_steps=40, evaluate_every=1, patience=2, learning_rate=1e-30)
    run_sft(settings, tmp_path / "run", few, sample)
    found = facts(tmp_path / "run")
    assert (found["stopped_by"], found["steps"], found["best_step"]) == ("patience", 3, 1)
    assert found["planned_steps"] == 40


def test_a_stopped_run_ends_at_the_weights_of_one_that_was_not(tiny_base: Path, few: Mixture, tmp_path: Path) -> None:
    settings = config(tiny_base, max_steps=4, average=0.9)
    whole = run_sft(settings, tmp_path / "whole", few)
    # A limit that is over after the first step; then the run goes on without one.
    run_sft(settings.model_copy(update={"minutes": 1e-9}), tmp_path / "parts", few)
    first = facts(tmp_path / "parts")
    assert (first["stopped_by"], first["steps"], first["planned_steps"]) == ("minutes", 1, 4)
    parts = run_sft(settings, tmp_path / "parts", few)
    second = facts(tmp_path / "parts")
    assert (second["stopped_by"], second["steps"]) == ("steps", 4)
    assert second["seconds"] > first["seconds"] > 0
    assert (parts / "adapter_model.safetensors").read_bytes() == (whole / "adapter_model.safetensors").read_bytes()


def test_a_run_begins_at_the_adapter_that_it_is_given(tiny_base: Path, few: Mixture, tmp_path: Path) -> None:
    first = run_sft(config(tiny_base, max_steps=2), tmp_path / "first", few)
    still = config(tiny_base, max_steps=1, learning_rate=1e-30, init=str(first))
    second = run_sft(still, tmp_path / "second", few)
    assert (second / "adapter_model.safetensors").read_bytes() == (first / "adapter_model.safetensors").read_bytes()
    # Finished: left as it is. Another run must not go on from its checkpoints.
    before = (second / "adapter_model.safetensors").stat().st_mtime_ns
    assert run_sft(still, tmp_path / "second", few) == second
    assert (second / "adapter_model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"checkpoints of a run with another learning_rate: name another folder"):
        run_sft(still.model_copy(update={"learning_rate": 1e-3, "max_steps": 9}), tmp_path / "second", few)


def test_a_run_may_end_part_of_the_way_back(tiny_base: Path, few: Mixture, tmp_path: Path) -> None:
    first = run_sft(config(tiny_base, max_steps=1), tmp_path / "first", few)
    settings = config(tiny_base, max_steps=3, init=str(first))
    ends = [run_sft(settings, tmp_path / "whole", few)]
    ends.append(run_sft(settings.model_copy(update={"mix_init": 0.25}), tmp_path / "mixed", few))
    start, whole, mixed = (load_file(str(folder / "adapter_model.safetensors")) for folder in (first, *ends))
    for name, value in whole.items():
        assert torch.allclose(mixed[name], 0.75 * value + 0.25 * start[name], atol=1e-7)
    assert any(not torch.equal(mixed[name], value) for name, value in whole.items())
