"""Reading an adapter and making it fit to be shipped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from export.adapter import load_adapter
from export.failures import ExportError
from worker.student.recipe import ADAPTER_CONFIG, ADAPTER_FILE

MODULE = "base_model.model.model.layers.0.mlp.up_proj"
CONFIG = {
    "peft_type": "LORA",
    "r": 2,
    "lora_alpha": 8,
    "bias": "none",
    "base_model_name_or_path": "/home/somebody/model",
    "target_modules": ["up_proj", "down_proj"],
}

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(tensors: dict[str, Any] | None = None, **config: Any) -> Path:
        folder = tmp_path / "adapter-in"
        folder.mkdir(exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **config}))
        default = {f"{MODULE}.lora_A.weight": np.ones((2, 5)), f"{MODULE}.lora_B.weight": np.full((4, 2), 1 / 3)}
        chosen = default if tensors is None else tensors
        save_file({k: np.asarray(v, np.float32) for k, v in chosen.items()}, folder / "adapter_model.safetensors")
        return folder

    return write


def test_pairs_and_scale(save: Save) -> None:
    adapter = load_adapter(save(), "base 1")
    (pair,) = adapter.pairs.values()
    assert set(adapter.pairs) == {"model.layers.0.mlp.up_proj.weight"}
    assert (pair.a, pair.b, pair.scale) == (f"{MODULE}.lora_A.weight", f"{MODULE}.lora_B.weight", 4.0)
    stabilised = load_adapter(save(use_rslora=True), "base 1")
    assert next(iter(stabilised.pairs.values())).scale == 8 / math.sqrt(2)


def test_what_is_saved_is_half_precise_scrubbed_and_repeatable(save: Save, tmp_path: Path) -> None:
    adapter = load_adapter(save(), "base 1")
    adapter.save(tmp_path / "one")
    adapter.save(tmp_path / "two")
    for name in (ADAPTER_FILE, ADAPTER_CONFIG):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    config = json.loads((tmp_path / "one" / ADAPTER_CONFIG).read_bytes())
    assert config["base_model_name_or_path"] == "base 1"
    assert config["target_modules"] == ["down_proj", "up_proj"]
    assert "somebody" not in (tmp_path / "one" / ADAPTER_CONFIG).read_text()
    assert load_file(tmp_path / "one" / ADAPTER_FILE)[f"{MODULE}.lora_B.weight"].dtype == np.float16


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"use_dora": True}, "uses use_dora"),
        ({"alpha_pattern": {"up_proj": 3}}, "uses alpha_pattern"),
        ({"modules_to_save": ["lm_head"]}, "uses modules_to_save"),
        ({"bias": "all"}, "is no LoRA adapter without biases"),
        ({"peft_type": "IA3"}, "is no LoRA adapter"),
    ],
)
def test_kinds_that_the_assembly_cannot_repeat(save: Save, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        load_adapter(save(**config), "base 1")


def test_tensors_that_are_no_pairs(save: Save) -> None:
    a, b = np.ones((2, 5)), np.ones((4, 2))
    with pytest.raises(ExportError, match="without its B"):
        load_adapter(save({f"{MODULE}.lora_A.weight": a}), "base 1")
    with pytest.raises(ExportError, match="other tensors"):
        load_adapter(save({f"{MODULE}.lora_A.weight": a, f"{MODULE}.lora_B.weight": b, "x": a}), "base 1")
    with pytest.raises(ExportError, match="does not fit fp16"):
        load_adapter(save({f"{MODULE}.lora_A.weight": a * 1e6, f"{MODULE}.lora_B.weight": b}), "base 1")


def test_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no adapter in"):
        load_adapter(tmp_path, "base 1")
