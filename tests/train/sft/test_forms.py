from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from export.verify import frozen_pairs
from schemas.prompt import SLOTS
from train.pairs.mixture import TrainingPair
from train.pairs.pairs import Pair
from train.rationales.verdicts import Targets
from train.sft.examples import IGNORED, Encoder
from train.sft.forms import FORMS, FormEncoder, judge
from train.sft.scorer import load_student, score

FROZEN = frozen_pairs()[1]
ITEM = TrainingPair(
    Pair("1-2", FROZEN.query, FROZEN.candidate, 0, "here"), Targets({"brand": "same", "variant": "different"})
)


def forms(encoder: Encoder) -> dict[str, FormEncoder]:
    return {form: FormEncoder(encoder.encode, form) for form in FORMS}


def test_the_forms_differ_only_after_the_listings(encoder: Encoder, tokenizer: Any) -> None:
    plain = encoder.example(ITEM, swap=True, with_sentence=False)
    made = {form: each.example(ITEM, swap=True, with_sentence=True) for form, each in forms(encoder).items()}
    assert made["parallel"] == plain
    body = plain.suffix[: plain.slots[0]]
    spoken = {form: tokenizer.decode(example.suffix[len(body) :]) for form, example in made.items()}
    assert all(example.suffix[: len(body)] == body and example.prefix == plain.prefix for example in made.values())
    assert spoken["answer"] == " answer"
    # What is not known is fed as unknown, and not trained.
    assert spoken["feedback"] == (
        " brand same product unknown variant different specification unknown quantity unknown answer"
    )
    assert made["feedback"].choices == plain.choices == (0, IGNORED, 1, IGNORED, IGNORED, 1)
    assert made["answer"].choices == (*[IGNORED] * 5, 1)
    labels = [slot.label for slot in SLOTS]
    feedback = made["feedback"]
    assert [tokenizer.decode([feedback.suffix[place]]) for place in feedback.slots] == labels
    assert {tokenizer.decode([made["answer"].suffix[place]]) for place in made["answer"].slots} == {" answer"}


@pytest.mark.slow
def test_judging_feeds_back_the_likeliest_verdicts(tiny_base: Any) -> None:
    import torch

    torch.set_num_threads(1)
    model, plain = load_student(str(tiny_base), None)
    pairs = [Pair(str(n), item.query, item.candidate, 0, "frozen") for n, item in enumerate(frozen_pairs()[:4])]
    encoders = forms(plain)
    parallel = judge(model, encoders["parallel"], pairs)
    np.testing.assert_array_equal(parallel.logits, score(model, plain, pairs).answer)
    feedback, answer = judge(model, encoders["feedback"], pairs), judge(model, encoders["answer"], pairs)
    assert (feedback.tokens, answer.tokens) == (parallel.tokens + 5, parallel.tokens - 5)

    # The same by hand, token by token.
    encoder = encoders["feedback"]
    for number, pair in enumerate(pairs):
        example = encoder.example(TrainingPair(pair, Targets()), swap=False, with_sentence=False)
        ids = [*example.prefix, *example.suffix[: example.slots[0]]]
        for place, label in enumerate(encoder.label_ids):
            ids.append(label)
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids])).logits[0, -1, encoder.choice_ids[place]]
            if place < 5:
                ids.append(encoder.choice_ids[place][int(logits.argmax())])
        assert feedback.logits[number] == pytest.approx(float(logits[0] - logits[1]), abs=0.15)
