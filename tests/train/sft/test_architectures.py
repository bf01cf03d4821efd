"""Any causal language model of transformers can be trained and scored: other names of its parts, other biases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from export.failures import ExportError
from export.student import export_student
from export.verify import frozen_pairs
from train.pairs.mixture import Mixture, TrainingPair
from train.pairs.pairs import Pair
from train.rationales.imported import ImportReport
from train.rationales.verdicts import Targets
from train.sft.config import SftConfig
from train.sft.recipe import run_sft
from train.sft.scorer import load_student, score
from worker.student.student import Student

pytestmark = pytest.mark.slow

PAIRS = [Pair(str(n), item.query, item.candidate, n % 2, "frozen") for n, item in enumerate(frozen_pairs()[:10])]


def base_of(name: str, folder: Path, tokenizer: Any) -> Path:
    """A tiny random model of an architecture, saved with the tokenizer."""
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    torch.set_num_threads(1)
    fixed: dict[str, Any] = {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 1024, "initializer_range": 0.15, "bos_token_id": 1,
        "eos_token_id": 2, "tie_word_embeddings": name == "qwen2",
    }  # fmt: skip
    if name == "qwen2":
        model: Any = Qwen2ForCausalLM(Qwen2Config(num_key_value_heads=2, **fixed))
    else:
        model = GPTNeoXForCausalLM(GPTNeoXConfig(**fixed))
    for parameter, value in model.named_parameters():
        if "norm" in parameter or parameter.endswith("bias"):  # equal weights would be merged into one by the exporter
            value.data.uniform_(0.5, 1.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def trained(name: str, folder: Path, tokenizer: Any) -> tuple[Path, Path]:
    base = base_of(name, folder / name, tokenizer)
    mixture = Mixture([TrainingPair(pair, Targets()) for pair in PAIRS], {}, {}, ImportReport())
    config = SftConfig(
        base=str(base), max_steps=2, rows_per_step=2, rank=2, keep_easy=1.0, learning_rate=1e-2, threads=1
    )
    return base, run_sft(config, folder / "run", mixture)


@pytest.mark.parametrize("name", ["qwen2", "gpt-neox"])
def test_another_architecture_is_trained_and_scored(name: str, tokenizer: Any, tmp_path: Path) -> None:
    base, adapter = trained(name, tmp_path, tokenizer)
    fitted = orjson.loads((adapter / "adapter_config.json").read_bytes())["target_modules"]
    assert any(layer.endswith("query_key_value") for layer in fitted) == (name == "gpt-neox")
    before = score(*load_student(str(base), None), PAIRS, bf16=False)
    after = score(*load_student(str(base), adapter), PAIRS, bf16=False)
    single = score(*load_student(str(base), adapter), PAIRS, bf16=False, rows_per_batch=1)
    assert np.abs(before.answer - after.answer).max() > 1e-3
    np.testing.assert_allclose(after.answer, single.answer, atol=1e-4)


def test_qwen2_is_exported_and_serves_what_was_trained(tokenizer: Any, tmp_path: Path) -> None:
    base, adapter = trained("qwen2", tmp_path, tokenizer)
    made = export_student(adapter, tmp_path / "bundle", tmp_path / "recipe", base=base, threads=1)
    student = Student.load(made.bundle, threads=1)
    found = score(*load_student(str(base), made.recipe / "adapter"), PAIRS, bf16=False)
    for logit, pair in zip(found.answer, PAIRS, strict=True):
        assert student.judge(pair.left, [pair.right])[0].logit == pytest.approx(logit, abs=1e-3)


def test_what_cannot_be_exported_says_so(tokenizer: Any, tmp_path: Path) -> None:
    base, adapter = trained("gpt-neox", tmp_path, tokenizer)
    with pytest.raises(ExportError, match="the exported graph has"):
        export_student(adapter, tmp_path / "bundle", tmp_path / "recipe", base=base, threads=1)
