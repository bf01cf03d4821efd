"""From pool, student and judges to what a run is taught by and watched with: all that is computed once.

Activations, the SFT student's slots and the judges' scores are kept in a cache folder by what they depend on, so that
the arms of an ablation, and a run that goes on, compute them once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.judges.interface import Judge
from train.pairs.mixture import TrainingPair
from train.pairs.shares import stable_share
from train.rewards import OUTCOMES, Floats, outcome_terms, total
from train.rl.activations import Activations, activations, key_of, parts_of
from train.rl.config import RlConfig
from train.rl.depth import causal_of
from train.rl.hacking import Rule
from train.rl.judging import credit_of
from train.rl.panel import truth_of
from train.rl.policy import ANSWER, log_probabilities
from train.rl.pool import Pool, hardest_first
from train.rl.scoring import Network, score_examples
from train.rl.structured import Lessons, Watch
from train.sft.examples import Encoder, Example
from train.sft.precision import fast_bf16
from train.stages import digest

Say = Callable[[str], None]


@dataclass(frozen=True)
class Taught:
    """The network at its start, the lessons in the order of their first epoch, and the watch."""

    network: Network
    lessons: Lessons
    order: list[int]
    watch: Watch


def swapped(item: TrainingPair, seed: int) -> bool:
    """Whether a pair is seen with its right offer as the query: by hash, the same for every run of a pool."""
    return stable_share(seed, f"direction:{item.pair.origin}:{item.pair.pair_id}") < 0.5


def examples_of(items: Sequence[TrainingPair], encoder: Encoder, seed: int | None) -> list[Example]:
    """One example a pair, without a sentence; the left offer is the query where ``seed`` is None."""
    return [encoder.example(item, swap=seed is not None and swapped(item, seed), with_sentence=False) for item in items]


def sources_of(base: str, adapter: Path) -> tuple[str, str]:
    """Digests of the base's and the adapter's weights.

    Raises:
        export.base.BaseModelError: there is no such base.
    """
    from export.base import default_base

    path = default_base() if base == "default" else Path(base)
    return digest([path]), digest([adapter / "adapter_model.safetensors"])


def network_of(
    model: Any, encoder: Encoder, first: int, examples: Sequence[Example], cache: Path, sources: Sequence[str],
    say: Say = lambda text: None,
) -> Network:  # fmt: skip
    """The network of a model from a layer on, with the states of these examples.

    Raises:
        train.rl.depth.DepthError: there is no such layer.
        train.rl.activations.ActivationError: see there.
    """
    causal = causal_of(model)
    # The fused kernel's backward pass is slow with a mask (`train.sft.trainer.fused_body`).
    causal.config._attn_implementation = "eager"
    store: Activations | None = None
    if first:
        done = 0

        def count(tokens: int) -> None:
            nonlocal done
            done += tokens
            say(f"activations of layer {first}: {done} tokens")

        store = activations(causal, first, examples, cache, sources, count)
    return Network(causal, first, store, encoder.choice_ids, fast_bf16())


def reference_logits(network: Network, examples: Sequence[Example], cache: Path, sources: Sequence[str]) -> Floats:
    """Logits [examples, 6, 3] of the student as it stands, from the cache where they were computed before."""
    name = key_of(parts_of(examples), network.first, *sources, f"half:{network.half}")
    order = hashlib.sha256("".join(str(hash_of(example)) for example in examples).encode()).hexdigest()
    path = cache / f"reference-{name[:16]}-{order[:16]}.npy"
    if path.is_file():
        return np.asarray(np.load(path), dtype=np.float64)
    found = score_examples(network, examples)
    part = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    np.save(part, found)
    os.replace(part, path)
    return found


def hash_of(example: Example) -> str:
    """Names an example's token ids, the same in every process."""
    return hashlib.sha256(np.array([len(example.prefix), *example.prefix, *example.suffix]).tobytes()).hexdigest()


def uncertainty(logs: Floats) -> Floats:
    """[pairs]: entropy of the answer, from log-probabilities [pairs, 6, 3]."""
    answer = logs[:, ANSWER, :2]
    return np.asarray(-(np.exp(answer) * answer).sum(axis=1), dtype=np.float64)


def teach(
    config: RlConfig,
    model: Any,
    encoder: Encoder,
    pool: Pool,
    judges: Sequence[Judge],
    held_out: Sequence[Judge],
    cache: Path,
    planned_panels: int,
    say: Say = lambda text: None,
) -> Taught:
    """Compute everything, or take it from the cache. The model has the SFT adapter's weights.

    Raises: as :func:`network_of`, and what a judge raises.
    """
    cache.mkdir(parents=True, exist_ok=True)
    sources = sources_of(config.base, config.adapter)
    items, watched = pool.items, pool.panel.items
    examples = examples_of(items, encoder, config.pool.seed)
    panel_examples = examples_of(watched, encoder, None)
    everything = [*examples, *panel_examples]
    network = network_of(model, encoder, config.first_layer, everything, cache, sources, say)
    logits = reference_logits(network, everything, cache, sources)
    of_pool, of_panel = logits[: len(items)], logits[len(items) :]
    logs = log_probabilities(torch.from_numpy(of_pool)).numpy()
    order = hardest_first(uncertainty(logs), config.pool, config.pool.seed)

    def credit(of: Sequence[Judge], chosen: Sequence[TrainingPair]) -> Floats:
        return credit_of(of, [(item.pair.left, item.pair.right) for item in chosen], cache)

    # Judges are asked of the pairs that are trained on, not of all that could be.
    say(f"judges: {len(order)} pairs of the pool, {len(watched)} of the panel")
    labels = np.array([item.pair.label for item in items], dtype=np.int64)
    rewards = np.zeros((len(items), len(OUTCOMES)))
    terms = outcome_terms(labels[order], credit(judges, [items[number] for number in order]))
    rewards[order] = np.broadcast_to(total(terms, config.reward), (len(order), len(OUTCOMES)))
    truth = truth_of(watched, credit(judges, watched), credit(held_out, watched) if held_out else None, of_panel)
    rule = Rule(planned_panels, config.panel.window, config.panel.false_alarms)
    return Taught(
        network,
        Lessons(examples, labels, rewards, logs),
        order,
        Watch(panel_examples, truth, pool.panel.products, rule),
    )
