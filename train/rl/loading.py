"""The student to be trained: base and SFT adapter, with only the wanted layers of the adapter trainable."""

from __future__ import annotations

from typing import Any

from train.rl.config import RlConfig
from train.rl.depth import freeze_below
from train.sft.examples import Encoder


def load_trainable(config: RlConfig) -> tuple[Any, Any, Encoder]:
    """Model, tokenizer and encoder. An adapter that was released in half precision is trained in full precision.

    Raises:
        export.base.BaseModelError: there is no such base, or no adapter of it.
        train.rl.depth.DepthError: there is no such layer.
    """
    import torch
    from peft import PeftModel

    from export.base import BaseModelError, load_base

    model, tokenizer = load_base(config.base)
    if not (config.adapter / "adapter_config.json").is_file():
        raise BaseModelError(f"adapter: there is none in {config.adapter} (no adapter_config.json)")
    try:
        model = PeftModel.from_pretrained(model, str(config.adapter), is_trainable=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise BaseModelError(f"adapter: {config.adapter} is none of this base: {error}") from error
    freeze_below(model, config.first_layer)
    if torch.cuda.is_available():
        model = model.cuda()
    return model, tokenizer, Encoder(lambda text: list(tokenizer(text, add_special_tokens=False).input_ids))
