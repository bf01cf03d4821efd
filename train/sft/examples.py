"""Training examples: one pair, one direction, as token ids with what its slots and its sentence should say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.grammar import frame_for
from schemas.offer import Offer
from schemas.prompt import BOS_ID, SLOTS, render_candidate, render_query
from schemas.rationale import ANSWERS, ATTRIBUTES, VERDICTS, Answer, Attribute
from train.pairs.mixture import TrainingPair
from train.rationales.verdicts import Targets

IGNORED = -100
# A partial label: any choice but ``different``.
NOT_DIFFERENT = -101
Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Example:
    """Token ids of one direction of a pair.

    Attributes:
        prefix: ids of BOS and the query part, shared by all candidates of the query.
        suffix: ids of candidate part, six slot labels and, for some, the sentence.
        slots: position in ``suffix`` of each slot label, length 6.
        choices: index of the right choice per slot, ``NOT_DIFFERENT``, or ``IGNORED`` where masked, length 6.
        sentence: (position in suffix, next id) pairs on which the sentence is trained: the quotes and their closing.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    slots: tuple[int, ...]
    choices: tuple[int, ...]
    sentence: tuple[tuple[int, int], ...] = ()


def _choice(targets: Targets, name: Attribute) -> int:
    if (given := targets.verdicts.get(name)) is not None:
        return VERDICTS.index(given)
    return NOT_DIFFERENT if name in targets.not_different else IGNORED


class Encoder:
    """Turns pairs into examples with one tokenizer; parts are tokenised one by one, as in serving."""

    def __init__(self, encode: Encode) -> None:
        self.encode = encode
        self.label_ids = [self._single(slot.label) for slot in SLOTS]
        self.choice_ids = [[self._single(choice) for choice in slot.choices] for slot in SLOTS]

    def _single(self, text: str) -> int:
        ids = self.encode(text)
        if len(ids) != 1:
            raise ValueError(f"{text!r} must be one token of this tokenizer, not {len(ids)}")
        return ids[0]

    def prefix(self, query: Offer) -> tuple[int, ...]:
        return (BOS_ID, *self.encode(render_query(query)))

    def example(self, item: TrainingPair, *, swap: bool, with_sentence: bool) -> Example:
        """The example of a pair with its left offer as the query, or its right one when ``swap``."""
        pair, targets = item.pair, item.targets
        query, candidate = (pair.right, pair.left) if swap else (pair.left, pair.right)
        body = self.encode(render_candidate(query, candidate))
        answer: Answer = "same" if pair.label == 1 else "different"
        choices = [*(_choice(targets, name) for name in ATTRIBUTES), ANSWERS.index(answer)]
        suffix = [*body, *self.label_ids]
        trained: list[tuple[int, int]] = []
        if with_sentence and targets.sentence is not None:
            sentence = targets.sentence
            quotes = (
                (sentence.quote_right, sentence.quote_left) if swap else (sentence.quote_left, sentence.quote_right)
            )
            for number, part in enumerate(frame_for(answer, sentence.attribute).parts(*quotes)):
                ids = self.encode(part)
                if number in (1, 3):
                    trained += [(len(suffix) - 1 + i, token) for i, token in enumerate(ids)]
                elif number in (2, 4):
                    trained.append((len(suffix) - 1, ids[0]))
                suffix += ids
        slots = tuple(range(len(body), len(body) + len(SLOTS)))
        return Example(self.prefix(query), tuple(suffix), slots, tuple(choices), tuple(trained))
