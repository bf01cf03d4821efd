from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.grammar import frame_for
from schemas.offer import Offer
from schemas.prompt import BOS_ID, SLOTS, render_candidate, render_query
from train.pairs.mixture import TrainingPair
from train.pairs.pairs import Pair
from train.rationales.verdicts import SentenceTarget, Targets
from train.sft.examples import IGNORED, NOT_DIFFERENT, Encoder

LEFT = Offer(offer_id="1", source="s", title="Canon EOS 7D black", price="900")
RIGHT = Offer(offer_id="2", source="s", title="canon eos7d silver")
ITEM = TrainingPair(
    Pair("1-2", LEFT, RIGHT, 0, "here"),
    Targets(
        {"brand": "same", "variant": "different", "quantity": "unknown"}, SentenceTarget("variant", "black", "silver")
    ),
)


@pytest.mark.parametrize("swap", [False, True])
def test_the_ids_are_the_rendering_and_the_slots_its_labels(encoder: Encoder, tokenizer: Any, swap: bool) -> None:
    query, candidate = (RIGHT, LEFT) if swap else (LEFT, RIGHT)
    found = encoder.example(ITEM, swap=swap, with_sentence=False)
    assert found.prefix[0] == BOS_ID
    assert tokenizer.decode(found.prefix[1:]) == render_query(query)
    assert tokenizer.decode(found.suffix) == render_candidate(query, candidate) + "".join(slot.label for slot in SLOTS)
    assert [tokenizer.decode([found.suffix[place]]) for place in found.slots] == [slot.label for slot in SLOTS]
    assert found.slots[-1] == len(found.suffix) - 1
    # brand same, product masked, variant different, specification masked, quantity unknown, answer different
    assert found.choices == (0, IGNORED, 1, IGNORED, 2, 1)
    assert found.sentence == ()


def test_what_is_only_known_not_to_differ_is_a_partial_label(encoder: Encoder) -> None:
    targets = Targets({"brand": "different"}, not_different=frozenset({"brand", "quantity"}))
    found = encoder.example(replace(ITEM, targets=targets), swap=False, with_sentence=False)
    assert found.choices == (1, IGNORED, IGNORED, IGNORED, NOT_DIFFERENT, 1)


def test_each_choice_is_one_token(encoder: Encoder, tokenizer: Any) -> None:
    for slot, ids in zip(SLOTS, encoder.choice_ids, strict=True):
        assert [tokenizer.decode([token]) for token in ids] == list(slot.choices)


@pytest.mark.parametrize(("swap", "quotes"), [(False, ("black", "silver")), (True, ("silver", "black"))])
def test_only_quotes_and_their_closing_are_trained(
    encoder: Encoder, tokenizer: Any, swap: bool, quotes: tuple[str, str]
) -> None:
    found = encoder.example(ITEM, swap=swap, with_sentence=True)
    plain = encoder.example(ITEM, swap=swap, with_sentence=False)
    assert found.suffix[: len(plain.suffix)] == plain.suffix
    spoken = tokenizer.decode(found.suffix[len(plain.suffix) :])
    assert spoken == "\n" + frame_for("different", "variant").fill(*quotes)
    for place, token in found.sentence:
        assert found.suffix[place + 1] == token
    trained = tokenizer.decode([token for _, token in found.sentence])
    closing = [encoder.encode(part)[0] for part in ('", B says "', '".')]
    assert trained == f"{quotes[0]}{tokenizer.decode(closing[:1])}{quotes[1]}{tokenizer.decode(closing[1:])}"


def test_a_tokenizer_that_splits_a_label_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one token of this tokenizer, not 6"):
        Encoder(lambda text: [ord(char) for char in text])
