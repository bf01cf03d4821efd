"""The SFT recipe: from the data folder to a LoRA adapter, in one runnable piece.

Resumable; the same seed gives the same data in the same order. Runs in one process or, under `accelerate launch`, in
several: each takes its share of the rows, the first one writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from train.pairs.mixture import Mixture, build_mixture
from train.pairs.pairs import Pair
from train.sft.config import SftConfig, read_config
from train.sft.examples import Encode, Encoder
from train.sft.identity import TRAINING_FILE, claim, is_finished
from train.sft.precision import fast_bf16
from train.verification.gate import GatePolicy, require_files

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
Sample = Mapping[str, Sequence[Pair]]


def mixture_of(config: SftConfig) -> Mixture:
    """The training pairs that a configuration asks for, from ``SAMESKU_DATA``."""
    return build_mixture(
        seed=config.seed,
        limit=config.limit,
        leave_out=config.leave_out,
        hold_products=config.hold_products,
        hold_seed=config.hold_seed,
        large=config.large,
        mined=config.mined,
        files=config.files,
        held_out_files=config.held_out_files,
        rationales=config.rationales,
    )


def target_modules(model: Any) -> list[str] | str:
    """The layers that are adapted: Llama's linear layers by name, all linear layers of another architecture."""
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    return list(TARGETS) if names >= set(TARGETS) else "all-linear"


def start_from(model: Any, adapter: Path) -> None:
    """Load an adapter's weights into a model that has a fresh one of the same shape.

    Raises:
        export.base.BaseModelError: the folder holds no adapter, or one of another base, rank or set of layers.
    """
    from peft import load_peft_weights, set_peft_model_state_dict

    from export.base import BaseModelError

    try:
        if not (adapter / "adapter_config.json").is_file():
            raise ValueError("there is no adapter_config.json")
        found = set_peft_model_state_dict(model, load_peft_weights(str(adapter), device="cpu"))
    except (OSError, ValueError, RuntimeError) as error:
        raise BaseModelError(f"init: no adapter of this base and rank in {adapter}: {error}") from error
    missing = [name for name in found.missing_keys if "lora_" in name]
    if missing or found.unexpected_keys:
        layer = (missing or found.unexpected_keys)[0]
        raise BaseModelError(f"init: the adapter in {adapter} adapts other layers, as {layer}")


def first_adapter(config: SftConfig, out: Path) -> Path | None:
    """The adapter to go on from; a recipe that comes first is run, or taken from where it ran before."""
    if config.init is None or not config.init.endswith(".toml"):
        return None if config.init is None else Path(config.init)
    done = out / "first" / "adapter"
    if done.is_dir():
        return done
    # What this run must not see, the one before it must not have seen.
    kept = {"leave_out": config.leave_out, "hold_products": config.hold_products, "hold_seed": config.hold_seed}
    return run_sft(read_config(Path(config.init), **kept), out / "first")


def mixed_in(config: SftConfig, out: Path, start: Path | None) -> Path | None:
    """The adapter whose weights are mixed into the run's at its end, if any.

    Raises:
        ValueError: there were not so many stages.
    """
    if not config.mix_init or config.mix_back == 1:
        return start if config.mix_init else None
    found = out.joinpath(*["first"] * config.mix_back, "adapter")
    if not found.is_dir():
        raise ValueError(f"mix_back = {config.mix_back}: there is no {found}; recipe files must name so many stages")
    return found


def run_sft(
    config: SftConfig,
    out: Path,
    mixture: Mixture | None = None,
    sample: Sample | None = None,
    encoder_of: Callable[[Encode], Encoder] = Encoder,
) -> Path:
    """Train an adapter into ``out`` and return its folder ``out/adapter``.

    Writes beside it ``training.json`` (configuration, counts, data digest, steps, seconds, the loss log) and the curves
    as ``curves.svg`` and ``curves.csv``. A run that was stopped goes on from its last checkpoint;
    one that is finished is left as it is.

    Args:
        config: the run's.
        out: folder of the run.
        mixture: what to train on; default: :func:`mixture_of`.
        sample: origin to pairs for validation on the way; default: from the validation files.
        encoder_of: makes the encoder of a tokenizer; another one trains another form of the answer.

    Raises:
        export.base.BaseModelError: there is no such base.
        train.pairs.pairs.PairFileError: a file of pairs cannot be read.
        train.verification.gate.UnverifiedTeacherError: a teacher's set is not verified, or errs too often.
        ValueError: the configuration names an unknown origin, leaves nothing to train on, or is not the one of the
            checkpoints in ``out``.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    verified = require_files(config.verification, GatePolicy(limit=config.max_teacher_error), config.rationales)
    import torch
    from accelerate import PartialState
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import EarlyStoppingCallback
    from transformers.trainer_utils import get_last_checkpoint
    from trl import SFTConfig

    from export.base import load_base
    from train.sft.epochs import Rows, run_rows
    from train.sft.loop import RunTrainer
    from train.sft.steady import steady_verdicts
    from train.sft.trainer import can_compile, collator
    from train.sft.validation import validation_sample

    start = first_adapter(config, out)
    mixed = mixed_in(config, out, start)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    on_cpu = not torch.cuda.is_available()
    processes = PartialState(cpu=on_cpu).num_processes
    mixture = mixture or mixture_of(config)
    if is_finished(out, config, mixture.digest()):
        return out / "adapter"
    model, tokenizer = load_base(config.base)
    encoder = encoder_of(lambda text: list(tokenizer(text, add_special_tokens=False).input_ids))
    steady = steady_verdicts(config.base, start, mixture.pairs, out) if config.steady and start else {}
    made = run_rows(mixture.pairs, encoder, config, processes, steady)
    per_step = config.rows_per_step * processes
    steps = config.max_steps or max(1, len(made.rows) // per_step)
    steps = min(steps, max(1, len(made.rows) // per_step))
    sample = (sample or validation_sample(config)) if config.evaluate_every else {}
    out.mkdir(parents=True, exist_ok=True)
    if PartialState().is_main_process:
        claim(out, config, mixture.digest())
    bf16 = fast_bf16()
    compiled = steps >= 200 and can_compile() if config.compiled is None else config.compiled
    arguments = SFTConfig(
        output_dir=str(out / "checkpoints"),
        per_device_train_batch_size=config.rows_per_step,
        num_train_epochs=1,
        max_steps=steps,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, round(config.warmup_share * steps)),
        weight_decay=0.0,
        max_grad_norm=1.0,
        logging_steps=10,
        save_steps=config.save_steps,
        save_total_limit=2,
        eval_strategy="steps" if sample else "no",
        eval_steps=config.evaluate_every or None,
        metric_for_best_model="log_loss" if sample else None,
        greater_is_better=False if sample else None,
        restore_callback_states_from_checkpoint=config.patience is not None,
        seed=config.seed,
        data_seed=config.seed,
        bf16=False,
        gradient_checkpointing=False,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        report_to=[],
        use_cpu=on_cpu,
        dataloader_num_workers=0,
        # A shorter last batch would be compiled anew.
        dataloader_drop_last=compiled,
    )
    trainer: Any = RunTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"row": list(range(len(made.rows)))}),
        eval_dataset=Dataset.from_dict({"row": [0]}) if sample else None,
        data_collator=collator(made.rows, config.row_tokens if compiled else 0),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=target_modules(model),
            task_type="CAUSAL_LM",
        ),
        callbacks=[EarlyStoppingCallback(config.patience)] if config.patience is not None else None,
        choice_ids=encoder.choice_ids,
        attribute_weight=config.attribute_weight,
        sentence_weight=config.sentence_weight,
        bf16_matmul=bf16,
        compiled=compiled,
        encoder=encoder,
        decay=config.average,
        minutes=config.minutes,
        sample=sample,
        folder=out,
    )
    checkpoints = out / "checkpoints"
    # The trainer makes the folder, so that only what is in it tells whether the run goes on.
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    if start is not None and last is None:
        start_from(trainer.model, start)
    trainer.train(resume_from_checkpoint=last)
    adapter = out / "adapter"
    trainer.keep(adapter, config.keep, mixed, config.mix_init)
    if trainer.is_world_process_zero():
        seen = Rows(made.rows[: trainer.state.global_step * per_step], made.epochs)
        facts = {
            "config": config.model_dump(mode="json"),
            "data": {
                "counts": mixture.counts,
                "dropped": mixture.dropped,
                "held_out": mixture.held_out,
                "left_out": list(mixture.left_out),
                "digest": mixture.digest(),
                "rationales": vars(mixture.rationales),
            },
            "verification": [assessment.as_json() for assessment in verified],
            "examples": made.examples,
            "tokens": made.tokens,
            "rows": len(made.rows),
            "seen": {"examples": seen.examples, "tokens": seen.tokens, "rows": len(seen.rows)},
            "epochs": made.epochs,
            "processes": processes,
            "steps": trainer.state.global_step,
            "planned_steps": steps,
            "stopped_by": trainer.stopped_by(),
            "best_step": trainer.state.best_global_step if sample else trainer.state.global_step,
            "seconds": round(trainer.clock.seconds(), 1),
            "bf16_matmul": bf16,
            "compiled": compiled,
            "log": trainer.state.log_history,
        }
        write_training(facts, out)
    trainer.accelerator.wait_for_everyone()
    return adapter


def write_training(facts: dict[str, Any], out: Path) -> None:
    """Write ``training.json`` and the curves."""
    from train.sft.curves import write_curves

    write_curves(facts["log"], out)
    (out / TRAINING_FILE).write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))


__all__ = ["TARGETS", "SftConfig", "fast_bf16", "run_sft"]
