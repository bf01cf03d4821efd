"""GRPO on a tiny base: tasks, rollouts with holes, grading, and a whole run of each form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch

from schemas.prompt import SLOTS, quotable
from schemas.rationale import ANSWERS, VERDICTS
from train.rewards import RewardConfig, total
from train.rl.grading import Grader, RewardFunctions
from train.rl.rollout import Rollout
from train.rl.sampled import run_sampled
from train.rl.tasks import choices_of, feedback_tasks, sentence_tasks
from train.sft.examples import Encoder

from .making import RuleJudge, tiny_adapter, tiny_config, tiny_pool, training_pair

ITEMS = [training_pair(number) for number in range(4)]
SURE = np.full((4, len(SLOTS), 3), -4.0)
SURE[:, :, 1] = 4.0  # everything different: right for the pairs 0 and 2


def sentences(encoder: Encoder) -> list[Any]:
    return sentence_tasks(ITEMS, [2, 1, 0], SURE, encoder, [False] * 4)


def grader(encoder: Encoder, tokenizer: Any, tasks: list[Any], **config: Any) -> Grader:
    credit = np.full((4, 5, 3), 0.1)
    named = {task.name: task for task in tasks}
    return Grader(named, RewardConfig(**config), encoder, tokenizer.decode, [RuleJudge()], credit)


def test_sentences_are_asked_for_where_the_student_is_right(encoder: Encoder, tokenizer: Any) -> None:
    tasks = sentences(encoder)
    assert [task.number for task in tasks] == [2, 0]
    task = tasks[1]
    text = tokenizer.decode(task.ids)
    assert text.endswith('\nNot the same: the brand differs, A says "')
    assert tokenizer.decode(task.forced[0]) == '", B says "'
    assert task.listings == (quotable(ITEMS[0].pair.left), quotable(ITEMS[0].pair.right))


def test_a_written_sentence_earns_by_its_quotes(encoder: Encoder, tokenizer: Any) -> None:
    tasks = sentences(encoder)
    grades = grader(encoder, tokenizer, tasks)
    task = tasks[0]
    words, others = (listing.split() for listing in task.listings)
    a = next(word for word in words if word not in others)
    b = next(word for word in others if word not in words)

    def earned(*parts: list[int]) -> float:
        return float(total(grades.terms(task, [token for part in parts for token in part]), grades.config))

    between, after = (list(forced) for forced in task.forced)
    whole = earned(encoder.encode(a), between, encoder.encode(b), after)
    rules = grades.config.form + grades.config.label
    assert rules < whole <= rules + grades.config.judges
    assert earned(encoder.encode("nowhere written"), between, encoder.encode(b), after) == 0
    assert earned(encoder.encode(a), between, after) == 0
    assert earned(encoder.encode(a)) == 0
    functions = RewardFunctions(grades)
    ids = [*encoder.encode(a), *between, *encoder.encode(b), *after]
    terms = {
        function.__name__: function(prompts=[task.name], completion_ids=[ids])[0] for function in functions.functions()
    }
    assert sum(weight * value for weight, value in zip(functions.weights(), terms.values(), strict=True)) == (
        pytest.approx(whole)
    )


class Scripted:
    """Stands where the trainer's generation does, and says what it was told to, hole by hole."""

    def __init__(self, said: list[list[list[int]]]) -> None:
        self.said = list(said)
        self.asked: list[list[list[int]]] = []

    def _generate_single_turn(self, ids: Any, images: Any, fields: Any, count: int) -> tuple[list[list[int]], None]:
        self.asked.append(ids)
        return self.said.pop(0), None


def test_forced_tokens_are_put_in_and_masked_and_an_open_quote_ends_it(encoder: Encoder) -> None:
    tasks = sentences(encoder)
    between, after = tasks[0].forced
    rollout = Rollout({task.name: task for task in tasks}, pad=0)
    trainer = Scripted([[[5, between[0]], [6, 7]], [[8, after[0]], [9, 9]]])
    made = rollout([task.name for task in tasks], trainer)
    first, second = made["completion_ids"]
    assert first == [5, *between, 8, *after]
    assert made["env_mask"][0] == [1, 1, *[0] * (len(between) - 1), 1, 1, *[0] * (len(after) - 1)]
    assert (second, made["env_mask"][1]) == ([6, 7], [1, 1])
    assert trainer.asked[1][0] == [*tasks[0].ids, 5, *between]
    assert made["prompt_ids"] == [list(task.ids) for task in tasks]


def test_verdicts_are_fed_back_one_token_each(encoder: Encoder) -> None:
    tasks = feedback_tasks(ITEMS, [3], encoder, [False] * 4)
    ids = [choices[0] for choices in encoder.choice_ids]
    rollout = Rollout({task.name: task for task in tasks}, pad=0)
    made = rollout([tasks[0].name], Scripted([[[token, 99]] for token in ids]))
    completion = made["completion_ids"][0]
    assert len(completion) == 11
    assert sum(made["env_mask"][0]) == 6
    assert choices_of(tasks[0], completion, encoder) == [VERDICTS.index("same")] * 5 + [ANSWERS.index("same")]
    broken = [completion[0], completion[1], 99, *completion[3:]]
    assert choices_of(tasks[0], broken, encoder)[1] is None
    assert choices_of(tasks[0], completion[:3], encoder)[2:] == [None] * 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:mtime may not be reliable:UserWarning")
@pytest.mark.parametrize("form", ["sentence", "feedback"])
def test_a_run_of_what_is_sampled(tiny_base: Path, tmp_path: Path, form: str) -> None:
    torch.set_num_threads(1)
    adapter = tiny_adapter(tiny_base, tmp_path / "start")
    grpo = {"generations": 2, "prompts_per_step": 1, "quote_tokens": 3}
    config = tiny_config(tiny_base, adapter, form=form, steps=2, keep="last", grpo=grpo)
    judges = ([RuleJudge()], [RuleJudge(name="variant_conflict", leaning=0.8)])
    # Of random weights the answers are as random: with either label given, some are right.
    pool = tiny_pool(pairs=6, panel=6)
    run_sampled(config, tmp_path / "run", judges=judges, pool=pool, cache=tmp_path / "cache")
    facts = orjson.loads((tmp_path / "run" / "training.json").read_bytes())
    assert (facts["steps"], facts["stopped_by"]) == (2, "steps")
    assert [panel["step"] for panel in facts["panels"]] == [0, 2]
    logged = [entry for entry in facts["log"] if "kl" in entry]
    assert {"rewards/form/mean", "rewards/label/mean", "rewards/judges/mean", "rewards/length/mean"} <= set(logged[0])
    assert {"frac_reward_zero_std", "entropy"} <= set(logged[0])
    saved = {path.name for path in (tmp_path / "run" / "adapter").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= saved
    assert "ref" not in saved
