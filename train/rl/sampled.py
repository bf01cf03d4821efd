"""GRPO by trl for what is sampled: the sentence of a rationale, and the form that feeds its verdicts back.

Deviations from a plain GRPO run, and why: prompts are token ids, tokenised part by part as everywhere; rollouts have
holes (`train.rl.rollout`); the reference of KL is the SFT adapter, of which trl keeps a copy; panels and their monitor
are those of the exact trainer. vLLM generates where there is a GPU; `accelerate launch` takes several.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from train.judges.interface import Judge
from train.rewards import Floats
from train.rl.config import RlConfig
from train.rl.pool import Pool
from train.rl.recipe import Material, Say, begin, go_on, judges_of, pool_of, write_report


def run_sampled(
    config: RlConfig,
    out: Path,
    *,
    judges: tuple[Sequence[Judge], Sequence[Judge]] | None = None,
    pool: Pool | None = None,
    cache: Path | None = None,
    say: Say = lambda text: None,
) -> Path:
    """Train an adapter into ``out`` and return its folder; as :func:`train.rl.recipe.run_rl`, for the other forms.

    Raises: as there; ValueError also where the student answers no pair of the pool rightly.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # `rollout_func` is marked experimental; the version is pinned and a test runs it.
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    given = judges if judges is not None else judges_of(config)
    import torch
    from accelerate import PartialState
    from datasets import Dataset
    from trl import GRPOConfig

    from train.rl.depth import freeze_below
    from train.rl.grading import Grader, RewardFunctions
    from train.rl.grpo import PanelTrainer, SampledWatch
    from train.rl.lessons import examples_of, reference_logits, sources_of, swapped, uncertainty
    from train.rl.loading import load_trainable
    from train.rl.panel import truth_of
    from train.rl.policy import log_probabilities
    from train.rl.pool import hardest_first
    from train.rl.rollout import Rollout
    from train.rl.scoring import Network
    from train.sft.precision import fast_bf16

    if config.threads:
        torch.set_num_threads(config.threads)
    on_cpu = not torch.cuda.is_available()
    state = PartialState(cpu=on_cpu)
    material = Material(pool or pool_of(config), *given)
    if not begin(config, out, material, state.is_main_process):
        return out / "adapter"
    pool, reward_judges, held_out = material.pool, material.judges, material.held_out
    cache = cache or out / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    model, tokenizer, encoder = load_trainable(config)
    from train.rl.depth import causal_of

    items, watched = pool.items, pool.panel.items
    everything = [*examples_of(items, encoder, config.pool.seed), *examples_of(watched, encoder, None)]
    # Slots of the whole model: sampling needs all layers anyway.
    network = Network(causal_of(model), 0, None, encoder.choice_ids, fast_bf16())
    with state.main_process_first():
        say(f"the student's slots: {len(everything)} pairs")
        logits = reference_logits(network, everything, cache, sources_of(config.base, config.adapter))
    logs = log_probabilities(torch.from_numpy(logits)).numpy()
    order = hardest_first(uncertainty(logs[: len(items)]), config.pool, config.pool.seed)
    all_items = [*items, *watched]
    swaps = [swapped(item, config.pool.seed) for item in items] + [False] * len(watched)
    panel_numbers = range(len(items), len(all_items))
    tasks, panel_tasks = (
        _tasks(config, all_items, numbers, logits, encoder, swaps) for numbers in (order, panel_numbers)
    )
    if not tasks or not panel_tasks:
        raise ValueError("the student answers no pair of the pool or of the panel rightly: there is nothing to sample")
    credit = _credit(config, reward_judges, all_items, [*order, *panel_numbers], cache)
    named = {task.name: task for task in [*tasks, *panel_tasks]}
    graders = [
        Grader(named, config.reward, encoder, tokenizer.decode, asked, found)
        for asked, found in (
            (reward_judges, credit),
            (held_out, _credit(config, held_out, all_items, panel_numbers, cache)),
        )
    ]
    functions = RewardFunctions(graders[0])
    first = len(items)
    truth = truth_of(watched, credit[first:], None, logits[first:])
    watch = SampledWatch(
        panel_tasks, pool.panel, everything[first:], truth, graders[0], graders[1] if held_out else None, config, first
    )
    _end_quotes(model, tasks)
    trainer: Any = PanelTrainer(
        model=model,
        reward_funcs=functions.functions(),
        args=GRPOConfig(
            output_dir=str(out / "checkpoints"),
            per_device_train_batch_size=config.grpo.generations * config.grpo.prompts_per_step,
            num_generations=config.grpo.generations,
            max_completion_length=config.grpo.quote_tokens if config.form == "sentence" else 1,
            temperature=config.grpo.temperature,
            beta=config.beta,
            reward_weights=functions.weights(),
            learning_rate=config.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=max(1, round(config.warmup_share * config.steps)),
            max_steps=config.steps,
            max_grad_norm=1.0,
            logging_steps=1,
            save_steps=config.save_steps,
            save_total_limit=2,
            eval_strategy="steps",
            eval_steps=config.panel.every,
            per_device_eval_batch_size=config.grpo.generations,
            seed=config.seed,
            shuffle_dataset=False,  # the hard ones first
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
            use_cpu=on_cpu,
            use_vllm=not on_cpu and config.grpo.vllm,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict({"prompt": [task.name for task in tasks]}),
        eval_dataset=Dataset.from_dict({"prompt": [panel_tasks[0].name]}),
        processing_class=tokenizer,
        rollout_func=Rollout(named, tokenizer.pad_token_id),
        watch=watch,
        network=network,
        products=pool.panel.products,
        folder=out,
    )
    freeze_below(model, config.first_layer)  # the copy for KL made the adapter trainable again
    adapter, best = go_on(trainer, out, say)
    if trainer.is_world_process_zero():
        own = {"tasks": len(tasks), "left_out_as_wrong": len(order) - len(tasks)}
        write_report(trainer, out, config, material, best, own)
    trainer.accelerator.wait_for_everyone()
    return adapter


def _tasks(config: RlConfig, items: Any, numbers: Any, logits: Floats, encoder: Any, swaps: Any) -> list[Any]:
    from train.rl.tasks import feedback_tasks, sentence_tasks

    if config.form == "sentence":
        return sentence_tasks(items, numbers, logits, encoder, swaps)
    return feedback_tasks(items, numbers, encoder, swaps)


def _credit(config: RlConfig, judges: Any, items: Any, numbers: Any, cache: Path) -> Floats:
    """[pairs, 5, 3]; 0 for pairs that are not asked about, and for all where sentences are judged one by one."""
    from train.rl.judging import credit_of

    found = np.zeros((len(items), 5, 3))
    if judges and config.form == "feedback":
        pairs = [(items[number].pair.left, items[number].pair.right) for number in numbers]
        found[list(numbers)] = credit_of(judges, pairs, cache)
    return found


def _end_quotes(model: Any, tasks: Sequence[Any]) -> None:
    """Let generation end where a quote is closed, as serving does."""
    closing = sorted({forced[0] for task in tasks if task.closed for forced in task.forced if forced})
    if closing:
        known = model.generation_config.eos_token_id
        own = [known] if isinstance(known, int) else list(known or ())
        model.generation_config.eos_token_id = [*own, *closing]
