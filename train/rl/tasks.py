"""Prompts of what is sampled: the sentence after its frame, and verdicts that are fed back. Pure.

A task is a prompt with *holes* and forced tokens between them, exactly as in serving: of a sentence the student says
where each quote begins and where it stops, of the fed-back form one verdict after each label. Forced tokens are not the
student's and have no part in the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.grammar import Frame, deciding, frame_for
from schemas.prompt import SLOTS, quotable
from schemas.rationale import ANSWERS, ATTRIBUTES, Answer, Attribute, Rationale
from train.pairs.mixture import TrainingPair
from train.rewards import Floats
from train.rl.policy import ANSWER
from train.sft.examples import Encoder
from worker.student.slots import attribute_verdict


@dataclass(frozen=True)
class Task:
    """One prompt.

    Attributes:
        number: of the pair.
        name: unique; what the trainer's data set holds in place of a text.
        item: the pair, and what is known of it.
        ids: the prompt's tokens; parts are tokenised one by one, as everywhere.
        forced: after each hole, the tokens that follow it; none after the last of the fed-back form.
        closed: whether a hole ends with the first of the forced tokens, which the student writes itself; else it is one
            token long.
        swap: whether the right offer is the query.
        attribute, answer, frame: of a sentence.
    """

    number: int
    name: str
    item: TrainingPair
    ids: tuple[int, ...]
    forced: tuple[tuple[int, ...], ...]
    closed: bool
    swap: bool = False
    attribute: Attribute | None = None
    answer: Answer | None = None
    frame: Frame | None = None

    @property
    def listings(self) -> tuple[str, str]:
        """The quotable texts of A and B."""
        pair = self.item.pair
        query, candidate = (pair.right, pair.left) if self.swap else (pair.left, pair.right)
        return quotable(query), quotable(candidate)


def said(logits: Floats) -> tuple[Answer, Attribute]:
    """The answer and the deciding attribute of a pair's slots [6, 3], as serving has them at a threshold of a half."""
    answer: Answer = ANSWERS[int(logits[ANSWER, 1] > logits[ANSWER, 0])]
    verdicts = {name: attribute_verdict(logits[place].tolist()) for place, name in enumerate(ATTRIBUTES)}
    return answer, deciding(Rationale(attributes=verdicts, answer=answer))


def sentence_tasks(
    items: Sequence[TrainingPair], numbers: Sequence[int], logits: Floats, encoder: Encoder, swaps: Sequence[bool]
) -> list[Task]:
    """Of each pair the sentence that the student would have to write: its frame follows from its own slots.

    Pairs that it answers wrongly are left out: under the gate no sentence about them earns anything, so that a group of
    them has no variance.

    Args:
        items: all pairs; ``numbers`` says which, in which order.
        logits: [pairs, 6, 3], of the student.
        swaps: [pairs], whether the right offer is the query.
    """
    tasks = []
    for number in numbers:
        item = items[number]
        answer, attribute = said(logits[number])
        if (answer == "same") != (item.pair.label == 1):
            continue
        frame = frame_for(answer, attribute)
        before, _, between, _, after = frame.parts("", "")
        example = encoder.example(item, swap=swaps[number], with_sentence=False)
        tasks.append(
            Task(
                number,
                f"sentence {number}",
                item,
                (*example.prefix, *example.suffix, *encoder.encode(before)),
                (tuple(encoder.encode(between)), tuple(encoder.encode(after))),
                closed=True,
                swap=swaps[number],
                attribute=attribute,
                answer=answer,
                frame=frame,
            )
        )
    return tasks


def feedback_tasks(
    items: Sequence[TrainingPair], numbers: Sequence[int], encoder: Encoder, swaps: Sequence[bool]
) -> list[Task]:
    """Of each pair the six verdicts, each written after its label and seen by those that follow."""
    tasks = []
    for number in numbers:
        example = encoder.example(items[number], swap=swaps[number], with_sentence=False)
        body = example.suffix[: example.slots[0]]
        tasks.append(
            Task(
                number,
                f"feedback {number}",
                items[number],
                (*example.prefix, *body, encoder.label_ids[0]),
                (*((label,) for label in encoder.label_ids[1:]), ()),
                closed=False,
                swap=swaps[number],
            )
        )
    return tasks


def choices_of(task: Task, completion: Sequence[int], encoder: Encoder) -> list[int | None]:
    """The choice of each slot of a fed-back completion; None where another token stands."""
    found: list[int | None] = []
    at = 0
    for place in range(len(SLOTS)):
        token = completion[at] if at < len(completion) else -1
        ids = encoder.choice_ids[place]
        found.append(ids.index(token) if token in ids else None)
        at += 1 + len(task.forced[place])
    return found
