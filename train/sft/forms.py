"""Three forms of the answer, to be compared: parallel slots, verdicts fed back before the answer, the answer alone.

All are examples of the same trainer. Parallel: six labels, each verdict is read at its label and none is seen by
another (what serves). Feedback: after each attribute's label stands its verdict, so that the answer is given the five
before it; the true one in training, the likeliest one in judging, one pass an attribute. Answer: one label.

A verdict that nobody knows cannot be fed: `` unknown`` stands in its place, and is not trained. So feedback trains on
verdicts that were derived from the label where there is no teacher's; that is a property of the form, not of the
comparison: what is fed must come from somewhere, and in judging the label is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from schemas.rationale import ATTRIBUTES, VERDICTS
from train.pairs.mixture import TrainingPair
from train.pairs.pairs import Pair
from train.rationales.verdicts import Targets
from train.sft.examples import IGNORED, Encode, Encoder, Example
from train.sft.scorer import score_items

Form = Literal["parallel", "feedback", "answer"]
FORMS: tuple[Form, ...] = get_args(Form)
UNKNOWN = VERDICTS.index("unknown")


class FormEncoder(Encoder):
    """An encoder whose examples have one of the forms; there are no sentences."""

    def __init__(self, encode: Encode, form: Form) -> None:
        super().__init__(encode)
        self.form = form

    def example(self, item: TrainingPair, *, swap: bool, with_sentence: bool) -> Example:
        """As :meth:`Encoder.example`; the slots stand at the labels, and of ``answer`` all at its only label."""
        plain = super().example(item, swap=swap, with_sentence=False)
        body, answer = plain.suffix[: plain.slots[0]], plain.choices[-1]
        count = len(plain.slots)
        if self.form == "parallel":
            return plain
        if self.form == "answer":
            suffix = (*body, self.label_ids[-1])
            return Example(plain.prefix, suffix, (len(body),) * count, (*[IGNORED] * (count - 1), answer))
        fed: list[int] = []
        for place, choice in enumerate(plain.choices[:-1]):
            fed += [self.label_ids[place], self.choice_ids[place][UNKNOWN if choice < 0 else choice]]
        slots = tuple(len(body) + 2 * place for place in range(count))
        return Example(plain.prefix, (*body, *fed, self.label_ids[-1]), slots, plain.choices)


def encoder_of(form: Form) -> partial[FormEncoder]:
    """What makes the form's encoder from a tokenizer's function."""
    return partial(FormEncoder, form=form)


@dataclass(frozen=True)
class FormScores:
    """Answer logits [pairs], and the tokens that a pair costs beside its query's: the body, the labels, what is fed."""

    logits: npt.NDArray[np.float64]
    tokens: float


def judge(model: Any, encoder: FormEncoder, pairs: Sequence[Pair]) -> FormScores:
    """Answer logits, the left offer as the query.

    With feedback each attribute in turn takes its likeliest verdict, given those before it: six passes. With a cache
    an engine would need one pass and five steps of one token.
    """
    items = [TrainingPair(pair, Targets()) for pair in pairs]
    if encoder.form == "feedback":
        for place, name in enumerate(ATTRIBUTES):
            said = score_items(model, encoder, items).attributes[:, place].argmax(axis=1)
            items = [
                TrainingPair(item.pair, Targets({**item.targets.verdicts, name: VERDICTS[choice]}))
                for item, choice in zip(items, said, strict=True)
            ]
    lengths = [len(encoder.example(item, swap=False, with_sentence=False).suffix) for item in items]
    return FormScores(score_items(model, encoder, items).answer, float(np.mean(lengths)))
