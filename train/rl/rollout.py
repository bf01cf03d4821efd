"""Rollouts with holes: the student samples what is its to say, what is forced is put in and masked.

Each hole is one call of the trainer's own generation, so that it runs wherever that does: transformers, or vLLM on a
GPU. What is forced carries ``env_mask`` 0: no gradient, no KL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from train.rl.tasks import Task


@dataclass
class Written:
    """One completion under way."""

    task: Task
    ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    over: bool = False

    def say(self, hole: int, tokens: Sequence[int], logprobs: Sequence[float] | None) -> None:
        """Take in what was sampled for a hole, and what is forced after it; a hole that was not closed ends it all."""
        if self.over:
            return
        own = list(tokens) if self.task.closed else list(tokens)[:1]
        forced = self.task.forced[hole]
        closing = forced[:1] if self.task.closed else ()
        self.ids += own
        self.mask += [1] * len(own)
        self.logprobs += [float(value) for value in (logprobs if logprobs is not None else [0.0] * len(own))][
            : len(own)
        ]
        if closing and (not own or own[-1] != closing[0]):
            self.over = True
            return
        rest = forced[len(closing) :]
        self.ids += rest
        self.mask += [0] * len(rest)
        self.logprobs += [0.0] * len(rest)


class Rollout:
    """trl's ``rollout_func``: names of tasks to completions.

    Args:
        tasks: by name.
        pad: the padding token; a completion must not be empty.
    """

    def __init__(self, tasks: Mapping[str, Task], pad: int) -> None:
        self.tasks = tasks
        self.pad = pad

    def __call__(self, prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        written = [Written(self.tasks[name]) for name in prompts]
        sampled = False
        for hole in range(max(len(each.task.forced) for each in written)):
            # Those that are over are asked as well: every process must make the same calls.
            so_far = [[*each.task.ids, *each.ids] for each in written]
            completions, logprobs = trainer._generate_single_turn(so_far, None, {}, 1)
            sampled = sampled or logprobs is not None
            for number, each in enumerate(written):
                each.say(hole, completions[number], None if logprobs is None else logprobs[number])
        for each in written:
            if not each.ids:
                each.ids, each.mask, each.logprobs = [self.pad], [0], [0.0]
        return {
            "prompt_ids": [list(each.task.ids) for each in written],
            "completion_ids": [each.ids for each in written],
            "logprobs": [each.logprobs for each in written] if sampled else None,
            "env_mask": [each.mask for each in written],
        }
