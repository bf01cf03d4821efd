"""A LoRA adapter as it is shipped: fp16 tensors under peft's names, and a configuration without local paths.

What serves is the fp16 adapter, so that one is merged, verified and evaluated; the trainer's fp32 file is only its
source.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from export.failures import ExportError
from worker.student.failures import WeightsError
from worker.student.recipe import ADAPTER_CONFIG, ADAPTER_FILE, LoraPair
from worker.student.safetensors import SafetensorsFile

# What the assembly does not repeat. Each of them, when set, changes the merged weights.
_UNSUPPORTED = ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "layer_replication", "lora_bias")
_PREFIX = "base_model.model."
_A, _B = ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True)
class Adapter:
    """An adapter in memory.

    Attributes:
        config: peft's `adapter_config.json`, scrubbed.
        tensors: fp16, by peft's names; A [rank, in], B [out, rank].
        pairs: the pair of each adapted weight, by the base model's parameter name (`model.layers.0....weight`).
    """

    config: dict[str, Any]
    tensors: dict[str, npt.NDArray[np.float16]]
    pairs: dict[str, LoraPair]

    def save(self, recipe_dir: Path) -> None:
        """Write both files under `recipe_dir/adapter/`; equal adapters give equal bytes."""
        from safetensors.numpy import save_file

        (recipe_dir / ADAPTER_FILE).parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(sorted(self.tensors.items())), recipe_dir / ADAPTER_FILE)
        text = json.dumps(self.config, indent=2, sort_keys=True) + "\n"
        (recipe_dir / ADAPTER_CONFIG).write_text(text, encoding="utf-8")


def _scale(config: dict[str, Any]) -> float:
    rank, alpha = int(config["r"]), float(config["lora_alpha"])
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def _half(name: str, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    if not np.isfinite(values).all() or np.abs(values).max(initial=0.0) > np.finfo(np.float16).max:
        raise ExportError(f"adapter tensor {name} does not fit fp16: it has infinite or huge values")
    return values.astype(np.float16)


def load_adapter(folder: Path, base_id: str) -> Adapter:
    """Read what peft saved in `folder`.

    Args:
        folder: holds adapter_model.safetensors and adapter_config.json.
        base_id: how the shipped configuration names the base, in place of the trainer's path.

    Raises:
        ExportError: no LoRA adapter, or one of a kind that the assembly cannot repeat.
    """
    try:
        config = json.loads((folder / "adapter_config.json").read_bytes())
        file = SafetensorsFile(folder / "adapter_model.safetensors")
        tensors = {name: _half(name, file.tensor(name)) for name in file.names()}
    except (OSError, ValueError, WeightsError) as error:
        raise ExportError(f"no adapter in {folder}: {error}") from error
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none":
        raise ExportError(f"the adapter in {folder} is no LoRA adapter without biases")
    for key in _UNSUPPORTED:
        if config.get(key):
            raise ExportError(f"the adapter in {folder} uses {key}, which the assembly cannot repeat")
    pairs: dict[str, LoraPair] = {}
    for name in tensors:
        if name.endswith(_A):
            module = name.removesuffix(_A)
            if module + _B not in tensors:
                raise ExportError(f"the adapter in {folder} has {name} without its B")
            parameter = module.removeprefix(_PREFIX) + ".weight"
            pairs[parameter] = LoraPair(a=name, b=module + _B, scale=_scale(config))
    if not pairs or 2 * len(pairs) != len(tensors):
        raise ExportError(f"the adapter in {folder} holds other tensors than pairs of LoRA matrices")
    return Adapter(_scrubbed(config, base_id), tensors, pairs)


def _scrubbed(config: dict[str, Any], base_id: str) -> dict[str, Any]:
    """peft records where the base model lay on the trainer's disk; nobody else has that path."""
    clean = {**config, "base_model_name_or_path": base_id, "inference_mode": True}
    clean["target_modules"] = sorted(config["target_modules"])  # a set in peft: its order changes from run to run
    for key in ("revision", "auto_mapping"):
        clean[key] = None
    return clean
