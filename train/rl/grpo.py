"""trl's GRPO trainer with panels: what held-out pairs' completions earn, and what the student's slots still know.

A sentence is written by the weights that also decide, so that its panel measures the slots too: learning to write must
not unlearn to judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from trl import GRPOTrainer

from train.rewards import Ints, Terms, total
from train.rl.config import RlConfig
from train.rl.grading import Grader
from train.rl.hacking import Reading, Rule
from train.rl.judging import claim_score
from train.rl.panel import PanelTruth, measure
from train.rl.pool import Panel
from train.rl.scoring import Network, score_examples
from train.rl.tasks import Task, choices_of
from train.rl.watching import WatchedTrainer
from train.sft.examples import Example
from train.sft.loop import Clock

PANEL_SEED = 5
"""Of the panel's samples: the same at every panel, so that panels differ by the policy and not by the draw."""
BATCH = 32
TOLD = ("kl", "entropy", "frac_reward_zero_std", "completions/mean_length")


@dataclass(frozen=True)
class SampledWatch:
    """What is looked at on the way.

    Attributes:
        tasks: of the panel.
        panel: its pairs.
        examples: of its pairs' slots.
        truth: of its slots; the credit is the reward's judges'.
        grader: of the reward.
        held_out: the same with the held-out judges; None without any.
        first: the number of the panel's first pair among all pairs, as tasks count.
    """

    tasks: Sequence[Task]
    panel: Panel
    examples: Sequence[Example]
    truth: PanelTruth
    grader: Grader
    held_out: Grader | None
    config: RlConfig
    first: int


class PanelTrainer(WatchedTrainer, GRPOTrainer):  # type: ignore[misc]
    """A GRPOTrainer whose validation is the panel."""

    def __init__(
        self, *args: Any, watch: SampledWatch, network: Network, products: Ints, folder: Path, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        config = watch.config
        panels = -(-config.steps // config.panel.every)
        self.watch_with(config, folder, products, Rule(panels, config.panel.window, config.panel.false_alarms))
        self.watch = watch
        self.network = network
        self.clock = Clock(config.minutes)
        self.add_callback(self.clock)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        logs["seconds"] = round(self.clock.seconds(), 1)
        super().log(logs, start_time)

    def sampled(self) -> list[list[int]]:
        """One completion of each of the panel's tasks."""
        names = [task.name for task in self.watch.tasks]
        found: list[list[int]] = []
        devices = [self.accelerator.device] if self.accelerator.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(PANEL_SEED)
            for start in range(0, len(names), BATCH):
                found += self.rollout_func(names[start : start + BATCH], self)["completion_ids"]
        return found

    def look(self) -> tuple[Reading, dict[str, Any]]:
        watch, step = self.watch, self.state.global_step
        was_training = self.model.training
        self.model.eval()
        completions = self.sampled()
        logits = score_examples(self.network, watch.examples)
        self.model.train(was_training)
        slots, metrics = measure(step, logits, watch.truth, self.config.reward)
        count = len(watch.panel.items)
        proxy, judged, right, verdicts = (np.full(count, np.nan) for _ in range(4))
        graded: list[Terms] = []
        characters = []
        for task, completion in zip(watch.tasks, completions, strict=True):
            place = task.number - watch.first
            terms = watch.grader.terms(task, completion)
            graded.append(terms)
            proxy[place], right[place] = float(total(terms, self.config.reward)), float(terms.label)
            if watch.held_out is not None:
                judged[place] = self._held_out(watch.held_out, task, completion)
            if task.frame is None:
                verdicts[place] = _verdicts_right(
                    choices_of(task, completion, watch.grader.encoder), watch.truth.verdicts[place]
                )
            elif (quotes := watch.grader.quotes(task, completion)) is not None:
                characters.append(len(quotes.a) + len(quotes.b))
        if self.config.form == "feedback":  # what it writes is what it says; the slots are another form
            signals = {"gold_brier": right, "gold_answer": right, "gold_verdict": verdicts}
            metrics |= {"gold_brier": float(np.nanmean(right)), "gold_answer": float(np.nanmean(right))}
        else:
            signals = {name: values for name, values in slots.signals.items() if name != "held_out_judge"}
        if watch.held_out is not None:
            signals["held_out_judge"] = judged
            metrics["held_out_judge"] = float(np.nanmean(judged))
        last: dict[str, Any] = next((entry for entry in reversed(self.state.log_history) if "kl" in entry), {})
        metrics |= {f"sampled_{name.rpartition('/')[2]}": last[name] for name in TOLD if name in last}
        metrics |= {
            "proxy": float(np.nanmean(proxy)),
            **{
                f"reward_{name}": float(np.mean([terms.named()[name] for terms in graded]))
                for name in graded[0].named()
            },
            "length": float(np.mean(characters)) if characters else None,
        }
        return Reading(step, proxy, signals), metrics

    def _held_out(self, grader: Grader, task: Task, completion: Sequence[int]) -> float:
        if task.frame is None:
            return float(grader.terms(task, completion).judges)
        quotes = grader.quotes(task, completion)
        return claim_score(grader.judges, grader.claim(task, quotes)) if quotes is not None else 0.0


def _verdicts_right(choices: Sequence[int | None], known: Ints) -> float:
    """The share of the known verdicts [5] that were written; NaN where none is known."""
    places = np.flatnonzero(known >= 0).tolist()
    return float(np.mean([choices[place] == known[place] for place in places])) if places else float("nan")
