"""The SFT recipe: from the data folder to a LoRA adapter, in one runnable piece.

Resumable; the same seed gives the same data in the same order.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from train.pairs.mixture import Mixture, build_mixture
from train.sft.precision import fast_bf16

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class SftConfig(BaseModel):
    """What a run depends on. The defaults are the released student's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str = "default"
    seed: int = 17
    epochs: int = 1
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    learning_rate: float = 5e-4
    warmup_share: float = 0.04
    rows_per_step: int = 6
    row_tokens: int = 384
    attribute_weight: float = 0.25
    sentence_weight: float = 0.15
    sentence_share: float = 0.12
    keep_easy: float = 0.1
    both_ways: bool = True
    limit: int | None = None
    max_steps: int = 560
    save_steps: int = 100
    threads: int = 0
    compiled: bool | None = None
    """Whether the model's body is compiled (two minutes at the start); unset: for 200 steps or more, if it can be."""


def run_sft(config: SftConfig, out: Path, mixture: Mixture | None = None) -> Path:
    """Train an adapter into ``out`` and return its folder ``out/adapter``.

    Writes beside it ``training.json``: configuration, counts, data digest, steps, seconds, and the loss log. A run that
    was stopped goes on from its last checkpoint.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers.trainer_utils import get_last_checkpoint
    from trl import SFTConfig

    from export.base import load_base
    from train.sft.examples import Encoder
    from train.sft.packing import group_examples, pack
    from train.sft.schedule import schedule
    from train.sft.trainer import SlotTrainer, can_compile, collator

    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    mixture = mixture or build_mixture(seed=config.seed, limit=config.limit)
    model, tokenizer = load_base(config.base)
    encoder = Encoder(lambda text: list(tokenizer(text, add_special_tokens=False).input_ids))
    rows = []
    examples = 0
    for epoch in range(config.epochs):
        seen = schedule(
            mixture.pairs, encoder, seed=config.seed, epoch=epoch, keep_easy=config.keep_easy,
            sentence_share=config.sentence_share, both_ways=config.both_ways,
        )  # fmt: skip
        examples += len(seen)
        rows += pack(group_examples(seen, config.row_tokens), config.seed + epoch, config.row_tokens)
    tokens = sum(group.tokens for row in rows for group in row)
    out.mkdir(parents=True, exist_ok=True)
    bf16 = fast_bf16()
    compiled = config.max_steps >= 200 and can_compile() if config.compiled is None else config.compiled
    arguments = SFTConfig(
        output_dir=str(out / "checkpoints"),
        per_device_train_batch_size=config.rows_per_step,
        num_train_epochs=1,
        max_steps=config.max_steps,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, int(config.warmup_share * len(rows) / config.rows_per_step)),
        weight_decay=0.0,
        max_grad_norm=1.0,
        logging_steps=10,
        save_steps=config.save_steps,
        save_total_limit=2,
        seed=config.seed,
        data_seed=config.seed,
        bf16=False,
        gradient_checkpointing=False,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        report_to=[],
        use_cpu=not torch.cuda.is_available(),
        dataloader_num_workers=0,
        # A shorter last batch would be compiled anew.
        dataloader_drop_last=compiled,
    )
    trainer: Any = SlotTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"row": list(range(len(rows)))}),
        data_collator=collator(rows, config.row_tokens if compiled else 0),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=list(TARGETS),
            task_type="CAUSAL_LM",
        ),
        choice_ids=encoder.choice_ids,
        attribute_weight=config.attribute_weight,
        sentence_weight=config.sentence_weight,
        bf16_matmul=bf16,
        compiled=compiled,
    )
    checkpoints = out / "checkpoints"
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None)
    adapter = out / "adapter"
    trainer.model.save_pretrained(str(adapter))
    facts = {
        "config": config.model_dump(),
        "data": {
            "counts": mixture.counts,
            "dropped": mixture.dropped,
            "digest": mixture.digest(),
            "rationales": vars(mixture.rationales),
        },
        "examples": examples,
        "tokens": tokens,
        "rows": len(rows),
        "steps": trainer.state.global_step,
        "seconds": round(time.monotonic() - started, 1),
        "bf16_matmul": bf16,
        "compiled": compiled,
        "log": trainer.state.log_history,
    }
    (out / "training.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    return adapter
