from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.verify import frozen_pairs
from train.pairs.mixture import TrainingPair
from train.pairs.pairs import Pair
from train.rationales.verdicts import Targets
from train.sft.examples import Encoder, Example
from train.sft.packing import GROUP_CANDIDATES, collate, group_examples, pack


def example(prefix: int, length: int) -> Example:
    return Example((0, prefix), tuple(range(length)), (0,) * 6, (0,) * 6)


lengths = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 50)), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(lengths, st.integers(0, 3))
def test_packing_loses_nothing_and_keeps_to_its_limits(shapes: list[tuple[int, int]], seed: int) -> None:
    examples = [example(*shape) for shape in shapes]
    groups = group_examples(examples, row_tokens=60)
    assert all(len({item.prefix for item in group.examples}) == 1 for group in groups)
    assert max(len(group.examples) for group in groups) <= GROUP_CANDIDATES
    rows = pack(groups, seed, row_tokens=60)
    assert all(len(row) == 1 or sum(group.tokens for group in row) <= 60 for row in rows)
    packed = sorted(hash(item) for row in rows for group in row for item in group.examples)
    assert packed == sorted(map(hash, examples))
    assert pack(groups, seed, row_tokens=60) == rows


def test_what_a_token_may_see() -> None:
    one, two = Example((0, 5), (7, 8), (1,), (0,)), Example((0, 5), (9,), (0,), (1,), ((0, 4),))
    other = Example((0, 6), (3,), (0,), (0,))
    rows = [[*group_examples([one, two]), *group_examples([other])], group_examples([other])]
    batch = collate(rows)
    assert batch["input_ids"].tolist() == [[0, 5, 7, 8, 9, 0, 6, 3], [0, 6, 3, 0, 0, 0, 0, 0]]
    assert batch["position_ids"][0].tolist() == [0, 1, 2, 3, 2, 0, 1, 2]
    sees = [[place for place in range(8) if row[place]] for row in batch["allowed"][0]]
    assert sees == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 4], [5], [5, 6], [5, 6, 7]]
    assert batch["allowed"][1, 5].tolist() == [place == 5 for place in range(8)]
    assert batch["slot_rows"].tolist() == [[0], [0], [0], [1]]
    assert batch["slot_positions"].tolist() == [[3], [4], [7], [2]]
    assert batch["slot_choices"].tolist() == [[0], [1], [0], [0]]
    assert (batch["sentence_rows"].tolist(), batch["sentence_positions"].tolist()) == ([0], [4])
    assert batch["sentence_ids"].tolist() == [4]


@pytest.mark.slow
def test_packed_rows_give_the_hidden_states_of_separate_prompts(tiny_base: Path, encoder: Encoder) -> None:
    import torch

    from export.base import load_base
    from train.sft.trainer import additive_mask

    torch.set_num_threads(1)
    frozen = frozen_pairs()[:6]
    # Every candidate under every query of the first two: shared prefixes, several groups a row.
    examples = [
        encoder.example(
            TrainingPair(Pair(f"{a}-{b}", one.query, two.candidate, 1, "here"), Targets()),
            swap=False,
            with_sentence=False,
        )
        for a, one in enumerate(frozen[:2])
        for b, two in enumerate(frozen)
    ]
    groups = group_examples(examples, row_tokens=700)
    batch = collate(pack(groups, seed=1, row_tokens=1_500))
    assert len(batch["input_ids"]) < len(groups) < len(examples)
    model: Any = load_base(tiny_base)[0].model
    with torch.no_grad():
        packed = model(
            input_ids=torch.from_numpy(batch["input_ids"]),
            position_ids=torch.from_numpy(batch["position_ids"]),
            attention_mask=additive_mask(torch.from_numpy(batch["allowed"]), torch.float32),
            use_cache=False,
        ).last_hidden_state
        alone = {
            item.suffix + item.prefix: model(input_ids=torch.tensor([item.prefix + item.suffix])).last_hidden_state[0]
            for item in examples
        }
    order = [item for row in pack(groups, seed=1, row_tokens=1_500) for group in row for item in group.examples]
    for place, item in enumerate(order):
        found = packed[batch["slot_rows"][place], batch["slot_positions"][place]]
        wanted = alone[item.suffix + item.prefix][[len(item.prefix) + slot for slot in item.slots]]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
