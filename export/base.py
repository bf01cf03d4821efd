"""The base model in torch, for training and export.

Serving never imports this module; it reads the same GGUF with `worker.student.gguf`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from worker.student.failures import RecipeError
from worker.student.locate import base_file

EOS_ID = 2
"""`<|im_end|>`. The GGUF names `<|im_start|>`, so that generation would never stop."""

PAD_ID = 0
"""`<|endoftext|>`, which also opens every prompt of ours."""


class BaseModelError(Exception):
    """The base model cannot be found or is not what the project was built on."""


def default_base() -> Path:
    """Return the GGUF file of the installed base package.

    Found without importing the package, whose plug-in hooks pull in more than the weights.

    Raises:
        BaseModelError: the package is missing or does not hold exactly one GGUF file.
    """
    try:
        return base_file()
    except RecipeError as error:
        raise BaseModelError(str(error)) from error


def load_base(path_or_default: str | Path = "default") -> tuple[Any, Any]:
    """Load base model (fp32, eval mode) and tokenizer.

    Args:
        path_or_default: "default" (the installed GGUF), a `.gguf` file, or a folder of any
            causal language model that transformers can read.

    Returns:
        (model, tokenizer): a `PreTrainedModel` in float32 and a fast tokenizer with eos 2 and
        pad 0 that adds no token by itself (GGUF bases; a folder's own tokenizer stays as it is,
        except that it adds no token).

    Raises:
        BaseModelError: there is no such model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    path = default_base() if str(path_or_default) == "default" else Path(path_or_default)
    if not path.exists():
        raise BaseModelError(f"no base model at {path}")
    if path.is_file():
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
        model.config.eos_token_id = EOS_ID
        model.config.pad_token_id = PAD_ID
        if model.generation_config is not None:
            model.generation_config.eos_token_id = EOS_ID
            model.generation_config.pad_token_id = PAD_ID
    else:
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    return model.eval(), load_tokenizer(path)


def load_tokenizer(path_or_default: str | Path = "default") -> Any:
    """Load the tokenizer alone (about two seconds for a GGUF file).

    The corrected tokenizer is saved and read again, because `add_bos_token` of a tokenizer that
    was converted from GGUF takes effect only on loading.
    """
    from transformers import AutoTokenizer

    path = default_base() if str(path_or_default) == "default" else Path(path_or_default)
    if path.is_dir():
        return AutoTokenizer.from_pretrained(path, add_bos_token=False)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    tokenizer.eos_token = "<|im_end|>"
    tokenizer.pad_token = "<|endoftext|>"
    tokenizer.add_bos_token = False
    with tempfile.TemporaryDirectory(prefix="samesku-tokenizer-") as folder:
        tokenizer.save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, add_bos_token=False)
    if (tokenizer.eos_token_id, tokenizer.pad_token_id) != (EOS_ID, PAD_ID):
        raise BaseModelError(
            f"tokenizer of {path} has eos {tokenizer.eos_token_id} and pad"
            f" {tokenizer.pad_token_id}, expected {EOS_ID} and {PAD_ID}"
        )
    return tokenizer
