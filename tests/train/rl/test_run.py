"""A whole run on a tiny base: panels, resumption, the control, the monitor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from safetensors.torch import load_file

from train.rl.config import RlConfig
from train.rl.recipe import run_rl

from .making import RuleJudge, tiny_adapter, tiny_config, tiny_pool

pytestmark = [
    pytest.mark.slow,
    # Two checkpoints within one second make transformers doubt the clock of the file system.
    pytest.mark.filterwarnings("ignore:mtime may not be reliable:UserWarning"),
]
POOL = tiny_pool()
JUDGES = ([RuleJudge()], [RuleJudge(name="variant_conflict", leaning=0.8)])


@pytest.fixture(scope="module")
def adapter(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_adapter(tiny_base, tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def run(config: RlConfig, out: Path, cache: Path) -> dict[str, Any]:
    made = run_rl(config, out, judges=JUDGES, pool=POOL, cache=cache)
    assert made == out / "adapter"
    found: dict[str, Any] = orjson.loads((out / "training.json").read_bytes())
    return found


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(str(folder / "adapter_model.safetensors"))


def test_a_run_raises_what_it_is_rewarded_for_and_leaves_the_lower_layers(
    tiny_base: Path, adapter: Path, cache: Path, tmp_path: Path
) -> None:
    config = tiny_config(tiny_base, adapter, steps=6, keep="last", beta=0.0)
    facts = run(config, tmp_path / "run", cache)
    panels = facts["panels"]
    assert [panel["step"] for panel in panels] == [0, 2, 4, 6]
    assert panels[0]["kl"] == pytest.approx(0, abs=0.02)
    assert panels[-1]["kl"] > panels[0]["kl"]
    log = [entry["reward"] for entry in facts["log"] if "reward" in entry]
    assert log[-1] > log[0]
    names = {"reward", "proper", "kl", "entropy", "grad_norm"}
    assert any(names <= set(entry) for entry in facts["log"])
    assert {"reward_form", "reward_label", "reward_judges", "reward_proper", "held_out_judge", "brier", "gold_f1"} <= (
        set(panels[0])
    )
    before, after = weights(adapter), weights(tmp_path / "run" / "adapter")
    assert set(before) == set(after)
    changed = {name for name, value in after.items() if not torch.equal(value.float(), before[name].float())}
    assert changed
    assert all(".layers.1." in name for name in changed)
    assert (tmp_path / "run" / "curves.svg").read_text().startswith("<?xml")
    assert len((tmp_path / "run" / "curves.csv").read_text().splitlines()) == 5
    # Finished: left as it is, and not another run's.
    stamp = (tmp_path / "run" / "training.json").stat().st_mtime_ns
    run(config, tmp_path / "run", cache)
    assert (tmp_path / "run" / "training.json").stat().st_mtime_ns == stamp
    with pytest.raises(ValueError, match="checkpoints of a run with another beta"):
        run(config.model_copy(update={"beta": 0.5}), tmp_path / "run", cache)


def test_a_stopped_run_ends_at_the_weights_of_one_that_was_not(
    tiny_base: Path, adapter: Path, cache: Path, tmp_path: Path
) -> None:
    config = tiny_config(tiny_base, adapter, keep="last")
    whole = run(config, tmp_path / "whole", cache)
    first = run(config.model_copy(update={"minutes": 1e-9}), tmp_path / "parts", cache)
    assert (first["stopped_by"], first["steps"]) == ("minutes", 1)
    second = run(config, tmp_path / "parts", cache)
    assert (second["stopped_by"], second["steps"]) == ("steps", 4)
    one, other = weights(tmp_path / "whole" / "adapter"), weights(tmp_path / "parts" / "adapter")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole["panels"][-1] == second["panels"][-1]


def test_the_control_learns_the_labels_from_the_same_rows(
    tiny_base: Path, adapter: Path, cache: Path, tmp_path: Path
) -> None:
    facts = run(tiny_config(tiny_base, adapter, objective="sft"), tmp_path / "sft", cache)
    exact = run(tiny_config(tiny_base, adapter), tmp_path / "rl", cache)
    assert facts["seen"] == exact["seen"]
    assert any("loss_answer" in entry for entry in facts["log"])
    assert facts["best_step"] in (0, 2, 4)
    best = min(facts["panels"], key=lambda panel: (panel["brier"], panel["step"]))
    assert facts["best_step"] == best["step"]


def test_all_layers_can_be_trained_without_a_cache_of_states(tiny_base: Path, adapter: Path, tmp_path: Path) -> None:
    facts = run(tiny_config(tiny_base, adapter, first_layer=0, steps=2), tmp_path / "deep", tmp_path / "cache")
    assert facts["steps"] == 2
    assert not list((tmp_path / "cache").glob("activations-*"))


def test_the_monitor_ends_a_run_and_the_best_weights_are_kept(
    tiny_base: Path, adapter: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train.rl import watching
    from train.rl.hacking import Alarm

    def speaks(readings: Any, clusters: Any, rule: Any) -> Alarm | None:
        last = readings[-1]
        return Alarm(last.step, 0, "gold_brier", 0.1, 0.2, 1e-6, 1e-3) if last.step >= 2 else None

    monkeypatch.setattr(watching, "check", speaks)
    facts = run(tiny_config(tiny_base, adapter, keep="last"), tmp_path / "stopped", cache)
    assert (facts["stopped_by"], facts["steps"]) == ("monitor", 2)
    assert "gold_brier fell by 0.2000" in facts["alarm"]["text"]
    assert facts["best_step"] == min(facts["panels"], key=lambda panel: (panel["brier"], panel["step"]))["step"]
    watched = tiny_config(tiny_base, adapter, panel={"every": 2, "pairs": 8, "stop": False})
    facts = run(watched, tmp_path / "watched", cache)
    assert (facts["stopped_by"], facts["steps"], facts["alarm"]["step"]) == ("steps", 4, 2)
