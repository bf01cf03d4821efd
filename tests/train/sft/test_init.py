from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model, load_peft_weights
from safetensors.torch import load_file, save_file

from export.base import BaseModelError, load_base
from train.sft.config import ConfigFileError, SftConfig, read_config
from train.sft.loop import write_mean
from train.sft.recipe import TARGETS, first_adapter, mixed_in, run_sft, start_from
from train.verification.gate import UnverifiedTeacherError


def adapted(base: Path, rank: int, targets: tuple[str, ...] = TARGETS, seed: int = 1):  # type: ignore[no-untyped-def]
    torch.manual_seed(seed)
    lora = LoraConfig(r=rank, target_modules=list(targets), init_lora_weights=False, task_type="CAUSAL_LM")
    return get_peft_model(load_base(base)[0], lora)


def test_a_run_goes_on_from_the_weights_of_an_adapter(tiny_base: Path, tmp_path: Path) -> None:
    earlier = adapted(tiny_base, 4)
    earlier.save_pretrained(str(tmp_path / "adapter"))
    model = adapted(tiny_base, 4, seed=2)
    ids = torch.arange(5, 17)[None]
    assert not torch.equal(model(input_ids=ids).logits, earlier(input_ids=ids).logits)
    start_from(model, tmp_path / "adapter")
    assert torch.equal(model(input_ids=ids).logits, earlier(input_ids=ids).logits)
    assert load_peft_weights(str(tmp_path / "adapter"), device="cpu")


@pytest.mark.parametrize(("rank", "targets"), [(8, TARGETS), (4, ("q_proj",)), (4, None)])
def test_an_adapter_of_another_shape_is_refused(
    rank: int, targets: tuple[str, ...] | None, tiny_base: Path, tmp_path: Path
) -> None:
    if targets is not None:
        adapted(tiny_base, rank, targets).save_pretrained(str(tmp_path / "adapter"))
    with pytest.raises(BaseModelError, match="init"):
        start_from(adapted(tiny_base, 4), tmp_path / "adapter")


def test_a_recipe_file_names_what_comes_first_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "second.toml").write_text('init = "first.toml"\nmax_steps = 3\n')
    config = read_config(tmp_path / "second.toml")
    assert config.init == str(tmp_path / "first.toml")
    done = tmp_path / "run" / "first" / "adapter"
    done.mkdir(parents=True)
    assert first_adapter(config, tmp_path / "run") == done
    with pytest.raises(ConfigFileError, match=r"first\.toml"):
        first_adapter(config, tmp_path / "other")


def test_the_mean_of_two_adapters_stands_in_place_of_the_first(tmp_path: Path) -> None:
    for name, value in (("last", 1.0), ("best", 4.0)):
        save_file({"a": torch.full((2, 3), value)}, str(tmp_path / name))
    write_mean(tmp_path / "last", tmp_path / "best")
    assert torch.equal(load_file(str(tmp_path / "last"))["a"], torch.full((2, 3), 2.5))
    assert torch.equal(load_file(str(tmp_path / "best"))["a"], torch.full((2, 3), 4.0))


def test_the_other_adapter_may_have_another_share_and_precision(tmp_path: Path) -> None:
    save_file({"a": torch.full((2, 3), 1.0)}, str(tmp_path / "last"))
    save_file({"a": torch.full((2, 3), 5.0, dtype=torch.float16)}, str(tmp_path / "first"))
    write_mean(tmp_path / "last", tmp_path / "first", 0.25)
    assert torch.equal(load_file(str(tmp_path / "last"))["a"], torch.full((2, 3), 2.0))


def test_nothing_to_mix_in_is_refused() -> None:
    with pytest.raises(ValueError, match="mix_init needs init"):
        SftConfig(mix_init=0.5)


def test_no_run_starts_on_a_teacher_that_nobody_checked(tiny_base: Path, tmp_path: Path) -> None:
    claims = tmp_path / "teacher.jsonl"
    claims.write_text('{"pair_id": "a#b", "answer": "same"}\n')
    config = SftConfig(base=str(tiny_base), rationales=(claims,))
    with pytest.raises(UnverifiedTeacherError, match=r"teacher\.jsonl .* is not verified"):
        run_sft(config, tmp_path / "run")


def test_what_is_mixed_in_may_lie_stages_back(tmp_path: Path) -> None:
    config = SftConfig(init="third.toml", mix_init=0.3, mix_back=2)
    start = tmp_path / "first" / "adapter"
    with pytest.raises(ValueError, match="mix_back = 2: there is no"):
        mixed_in(config, tmp_path, start)
    before = tmp_path / "first" / "first" / "adapter"
    before.mkdir(parents=True)
    assert mixed_in(config, tmp_path, start) == before
    assert mixed_in(config.model_copy(update={"mix_back": 1}), tmp_path, start) == start
    assert mixed_in(config.model_copy(update={"mix_init": 0.0}), tmp_path, start) is None


def test_steady_needs_a_student(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="steady needs init"):
        SftConfig(steady=True)
