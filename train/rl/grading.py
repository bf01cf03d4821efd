"""What a sampled completion earns, term by term: the reward functions that trl is given.

Each term is a function of its own, so that trl's log shows its mean; they share one grading of each completion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from train.judges.claims import Claim
from train.judges.interface import Judge
from train.rewards import Floats, Quotes, RewardConfig, Terms, choice_terms, quotes_of, sentence_terms
from train.rl.judging import claim_score
from train.rl.tasks import Task, choices_of
from train.sft.examples import Encoder

Decode = Callable[[Sequence[int]], str]
TERMS = ("form", "label", "judges", "length")


@dataclass(frozen=True)
class Grader:
    """Grades completions of tasks.

    Attributes:
        tasks: by name.
        judges: asked of a sentence's claim with its quotes.
        credit: [pairs, 5, 3], of the judges, for verdicts that are fed back.
        decode: token ids to text.
    """

    tasks: Mapping[str, Task]
    config: RewardConfig
    encoder: Encoder
    decode: Decode
    judges: Sequence[Judge]
    credit: Floats

    def quotes(self, task: Task, completion: Sequence[int]) -> Quotes | None:
        """The quotes of a sentence, None where it has not the form."""
        assert task.frame is not None
        return quotes_of(task.frame.before + self.decode(completion), task.frame, task.listings)

    def claim(self, task: Task, quotes: Quotes) -> Claim:
        """What a sentence says of its attribute, as a claim."""
        pair = task.item.pair
        query, candidate = (pair.right, pair.left) if task.swap else (pair.left, pair.right)
        assert task.attribute is not None
        assert task.answer is not None
        return Claim(query, candidate, task.attribute, task.answer, quotes.a, quotes.b)

    def terms(self, task: Task, completion: Sequence[int]) -> Terms:
        """The terms of one completion."""
        label = task.item.pair.label
        if task.frame is None:
            choices = choices_of(task, completion, self.encoder)
            return choice_terms(choices, label, self.credit[task.number])
        quotes = self.quotes(task, completion)
        right = (task.answer == "same") == (label == 1)
        judged = claim_score(self.judges, self.claim(task, quotes)) if quotes is not None and self.judges else 0.0
        return sentence_terms(quotes, right, judged, self.config)


class RewardFunctions:
    """One function a term for trl, with the weights that go with them; the gate is in the judges' term."""

    def __init__(self, grader: Grader) -> None:
        self.grader = grader
        self._graded: dict[tuple[str, tuple[int, ...]], Terms] = {}

    def grade(self, prompts: Sequence[str], completion_ids: Sequence[Sequence[int]]) -> list[Terms]:
        """The terms of each completion; equal ones are graded once."""
        keys = [(name, tuple(ids)) for name, ids in zip(prompts, completion_ids, strict=True)]
        self._graded = {key: found for key, found in self._graded.items() if key in set(keys)}
        for key in keys:
            if key not in self._graded:
                self._graded[key] = self.grader.terms(self.grader.tasks[key[0]], key[1])
        return [self._graded[key] for key in keys]

    def of(self, term: str) -> Callable[..., list[float]]:
        """The reward function of one term."""

        def reward(prompts: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
            found = []
            for terms in self.grade(prompts, completion_ids):
                gate = float(terms.form * terms.label) if term == "judges" and self.grader.config.gating else 1.0
                found.append(gate * float(terms.named()[term]))
            return found

        reward.__name__ = term
        return reward

    def functions(self) -> list[Callable[..., list[float]]]:
        return [self.of(term) for term in TERMS]

    def weights(self) -> list[float]:
        return [float(np.asarray(getattr(self.grader.config, term))) for term in TERMS]
