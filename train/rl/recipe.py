"""A run of reinforcement learning on the parallel slots: from an SFT adapter to an adapter, in one runnable piece.

Judges are admitted before anything else. Resumable; the same seed gives the same rows in the same order. Runs in one
process or, under `accelerate launch`, in several. The forms that are sampled are trained by `train.rl.sampled`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from train.judges.interface import Judge
from train.rl.config import RlConfig
from train.rl.pool import Pool, build_pool
from train.sft.identity import TRAINING_FILE, claim, is_finished

Say = Callable[[str], None]


def judges_of(config: RlConfig) -> tuple[list[Judge], list[Judge]]:
    """The judges of the reward, and those held out, admitted by their validation.

    Raises:
        train.judges.admission.JudgeRefused: a judge is below a limit, or was never validated.
        train.judges.interface.JudgeFileError: a folder is no judge.
    """
    from train.judges.admission import admit

    return admit(judge_paths(config.judges)), admit(judge_paths(config.held_out_judges))


def judge_paths(folders: Sequence[Path]) -> list[Path]:
    """A folder each judge: one that holds no judge itself stands for the set of three in it.

    Raises:
        train.judges.admission.JudgeRefused: a set lacks a judge.
    """
    from train.judges.admission import judge_folders
    from train.judges.interface import MANIFEST

    found: list[Path] = []
    for folder in folders:
        found += [folder] if (folder / MANIFEST).is_file() else judge_folders(folder)
    return found


def pool_of(config: RlConfig) -> Pool:
    """The pool that a configuration asks for, from ``SAMESKU_DATA``. Raises PoolError, PairFileError."""
    return build_pool(config.pool, config.panel.pairs, config.panel.of_each_set)


@dataclass(frozen=True)
class Material:
    """What a run of any form is made of: its pairs, the reward's judges and those held out."""

    pool: Pool
    judges: Sequence[Judge]
    held_out: Sequence[Judge]

    @property
    def digest(self) -> str:
        """Names the data of a run: its pairs and who judges them."""
        held_out = (judge.digest for judge in self.held_out)
        told = [self.pool.digest(), *(judge.digest for judge in self.judges), "held out", *held_out]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


def begin(config: RlConfig, out: Path, material: Material, main_process: bool) -> bool:
    """Make the folder this run's own; False where it holds the finished run already.

    Raises:
        ValueError: the folder holds checkpoints of another run.
    """
    if is_finished(out, config, material.digest):
        return False
    out.mkdir(parents=True, exist_ok=True)
    if main_process:
        claim(out, config, material.digest)
    return True


def go_on(trainer: Any, out: Path, say: Say) -> tuple[Path, int]:
    """Train from the last checkpoint, or from the start. Returns the adapter's folder and the step of its weights."""
    from transformers.trainer_utils import get_last_checkpoint

    trainer.tell(say)
    checkpoints = out / "checkpoints"
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    trainer.begin(int(last.rpartition("-")[2]) if last else 0)
    trainer.train(resume_from_checkpoint=last)
    adapter = out / "adapter"
    return adapter, trainer.finish(adapter)


def write_report(trainer: Any, out: Path, config: RlConfig, material: Material, best: int, own: dict[str, Any]) -> None:
    """Write ``training.json`` and the curves; ``own`` are facts of the form alone."""
    from train.rl.curves import write_curves

    alarm, pool = trainer.alarm, material.pool
    facts: dict[str, Any] = {
        "config": config.model_dump(mode="json"),
        "data": {"digest": material.digest, "pool": pool.digest(), **pool.facts},
        "judges": [{"name": judge.name, "digest": judge.digest} for judge in material.judges],
        "held_out_judges": [{"name": judge.name, "digest": judge.digest} for judge in material.held_out],
        **own,
        "steps": trainer.state.global_step,
        "planned_steps": config.steps,
        "stopped_by": trainer.stopped_by(),
        "alarm": None if alarm is None else {**vars(alarm), "text": alarm.sentence()},
        "best_step": best,
        "seconds": round(trainer.clock.seconds(), 1),
        "panels": trainer.panels.metrics,
        "log": trainer.state.log_history,
    }
    write_curves(trainer.panels.metrics, out, alarm.step if alarm else None)
    (out / TRAINING_FILE).write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))


def run_rl(
    config: RlConfig,
    out: Path,
    *,
    judges: tuple[Sequence[Judge], Sequence[Judge]] | None = None,
    pool: Pool | None = None,
    cache: Path | None = None,
    say: Say = lambda text: None,
) -> Path:
    """Train an adapter into ``out`` and return its folder ``out/adapter``.

    Writes beside it ``training.json`` (the run's report), ``panels.jsonl`` and the curves as ``curves.svg`` and
    ``curves.csv``. A run that was stopped goes on from its last checkpoint; a finished one is left as it is.

    Args:
        config: of the form ``parallel``.
        judges: of the reward, and held out; default: :func:`judges_of`.
        pool: default: :func:`pool_of`.
        cache: of activations and judges' scores; default ``out/cache``.
        say: is told what is being done.

    Raises:
        train.judges.admission.JudgeRefused: see :func:`judges_of`.
        export.base.BaseModelError: there is no such base or adapter.
        train.rl.pool.PoolError: the pool would hold what SFT has seen.
        ValueError: the folder holds checkpoints of another run, or the model has no such layer.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    given = judges if judges is not None else judges_of(config)
    import torch
    from accelerate import PartialState

    from train.rl.lessons import teach
    from train.rl.loading import load_trainable

    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    on_cpu = not torch.cuda.is_available()
    processes = PartialState(cpu=on_cpu).num_processes
    material = Material(pool or pool_of(config), *given)
    if not begin(config, out, material, PartialState().is_main_process):
        return out / "adapter"
    model, tokenizer, encoder = load_trainable(config)
    per_step = config.rows_per_step * processes
    with PartialState().main_process_first():  # the first one fills the cache, the others read it
        taught = teach(
            config, model, encoder, material.pool, material.judges, material.held_out, cache or out / "cache",
            -(-config.steps // config.panel.every), say,
        )  # fmt: skip
    trainer, rows = _trainer(config, model, tokenizer, encoder, taught, out, per_step, on_cpu)
    adapter, best = go_on(trainer, out, say)
    if trainer.is_world_process_zero():
        seen = rows[: trainer.state.global_step * per_step]
        own = {
            "trained_parameters": sum(value.numel() for value in model.parameters() if value.requires_grad),
            "pairs": len(taught.order),
            "seen": {
                "examples": sum(len(group.examples) for row in seen for group in row),
                "tokens": sum(group.tokens for row in seen for group in row),
                "rows": len(seen),
            },
            "processes": processes,
            "threshold": taught.watch.truth.threshold,
            "bf16_matmul": taught.network.half,
        }
        write_report(trainer, out, config, material, best, own)
    trainer.accelerator.wait_for_everyone()
    return adapter


def _trainer(
    config: RlConfig, model: Any, tokenizer: Any, encoder: Any, taught: Any, out: Path, per_step: int, on_cpu: bool
) -> tuple[Any, list[Any]]:
    from datasets import Dataset
    from trl import SFTConfig

    from train.rl.structured import StructuredTrainer, collator, rows_in_order

    rows = rows_in_order(taught.lessons.examples, taught.order, config.steps * per_step, config.seed, config.row_tokens)
    arguments = SFTConfig(
        output_dir=str(out / "checkpoints"),
        per_device_train_batch_size=config.rows_per_step,
        num_train_epochs=1,
        max_steps=config.steps,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, round(config.warmup_share * config.steps)),
        weight_decay=0.0,
        max_grad_norm=1.0,
        logging_steps=min(10, config.panel.every),
        save_steps=config.save_steps,
        save_total_limit=2,
        eval_strategy="steps",
        eval_steps=config.panel.every,
        seed=config.seed,
        data_seed=config.seed,
        bf16=False,
        gradient_checkpointing=False,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        report_to=[],
        use_cpu=on_cpu,
        dataloader_num_workers=0,
        disable_tqdm=True,
    )
    trainer = StructuredTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"row": list(range(len(rows)))}),
        eval_dataset=Dataset.from_dict({"row": [0]}),
        data_collator=collator(taught.network, rows, taught.lessons.examples),
        processing_class=tokenizer,
        choice_ids=encoder.choice_ids,
        attribute_weight=config.attribute_weight,
        sentence_weight=0.0,
        bf16_matmul=taught.network.half,
        encoder=encoder,
        decay=0.0,
        minutes=config.minutes,
        sample={},
        folder=out,
        config=config,
        network=taught.network,
        lessons=taught.lessons,
        watch=taught.watch,
    )
    return trainer, rows
