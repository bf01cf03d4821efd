"""A tiny student: a few random layers under the real tokenizer, made in seconds, for tests of everything but quality.

It goes through the very same export. Its answers mean nothing, but they vary from pair to pair and are as
reproducible as a real student's; its calibration spreads them over matches and non-matches.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from export.base import load_tokenizer
from export.facts import Facts
from export.pack import update_facts
from export.student import Export, export_student
from export.verify import frozen_pairs
from schemas.bundle import BundleManifest, Calibration
from worker.student.student import Student

LAYERS, HIDDEN, INNER, HEADS, KV_HEADS = 2, 64, 128, 4, 2
# Large against the usual 0.02: with it, logits differ by about 1 between pairs, far above what kernels differ by.
SPREAD = 0.15
RANK = 4
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def make_tiny_base(folder: Path, seed: int = 0) -> Path:
    """Save a random Llama of `LAYERS` layers with the real tokenizer as a transformers folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = load_tokenizer()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=INNER,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=KV_HEADS,
            max_position_embeddings=2_048,
            rope_theta=100_000.0,
            tie_word_embeddings=True,
            initializer_range=SPREAD,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        )
    )
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):  # equal weights would be merged into one by the exporter
            parameter.data.uniform_(0.5, 1.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_random_adapter(
    base: str | Path, folder: Path, seed: int = 1, rank: int = RANK, layers: list[int] | None = None
) -> Path:
    """Save a LoRA adapter with random A and B over all linear layers (of `layers`, if given), as peft does."""
    from export.base import load_base

    model, _ = load_base(base)
    return save_random_adapter(model, folder, seed, rank, layers)


def save_random_adapter(model: Any, folder: Path, seed: int, rank: int, layers: list[int] | None = None) -> Path:
    """The same for a model in memory, whose modules are wrapped in place."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=list(LINEAR), layers_to_transform=layers, init_lora_weights=False
    )
    get_peft_model(model, config).save_pretrained(folder)
    return folder


def export_tiny(folder: Path, seed: int = 0) -> Export:
    """Make base, adapter, bundle and recipe under `folder` (`base`, `adapter`, `bundle`, `tiny`)."""
    base = make_tiny_base(folder / "base", seed)
    adapter = make_random_adapter(base, folder / "adapter", seed + 1)
    made = export_student(adapter, folder / "bundle", folder / "tiny", base=base, base_id="tiny", threads=1)
    spread(made)
    return made


def spread(made: Export) -> BundleManifest:
    """Calibrate so that the probabilities of the frozen pairs spread: mean logit to 0, standard deviation to 2."""
    student = Student.load(made.bundle, threads=1)
    logits = [student.judge(pair.query, [pair.candidate])[0].logit for pair in frozen_pairs()]
    a = float(2.0 / np.std(logits))
    facts = Facts(calibration=Calibration(a=a, b=float(-a * np.mean(logits)), fitted_on="frozen pairs"))
    update_facts(made.recipe, facts, made.manifest.built_at)
    return update_facts(made.bundle, facts, made.manifest.built_at)
