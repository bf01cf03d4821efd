"""The layers above cached activations say what the whole model says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from train.rl.activations import ActivationError, Activations, activations, parts_of
from train.rl.config import STUDENT
from train.rl.depth import DepthError, causal_of, freeze_below, lower, upper
from train.rl.judging import ScoreShelf, claim_score, credit_of
from train.rl.lessons import examples_of
from train.rl.scoring import Network, score_examples
from train.sft.examples import Encoder
from train.sft.scorer import load_student, score

from .making import RuleJudge, tiny_adapter, training_pair

ITEMS = [training_pair(number) for number in range(6)]


@pytest.fixture(scope="module")
def student(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Encoder]:
    torch.set_num_threads(1)
    return load_student(str(tiny_base), tiny_adapter(tiny_base, tmp_path_factory.mktemp("adapter")))


def test_the_upper_layers_on_cached_states_are_the_whole_model(student: tuple[Any, Encoder], tmp_path: Path) -> None:
    model, encoder = student
    causal = causal_of(model)
    examples = examples_of(ITEMS, encoder, None)
    told: list[int] = []
    store = activations(causal, 1, examples, tmp_path, ["base", "adapter"], told.append, half=False)
    cached = score_examples(Network(causal, 1, store, encoder.choice_ids, half=False), examples)
    whole = score_examples(Network(causal, 0, None, encoder.choice_ids, half=False), examples)
    real = np.isfinite(whole)
    # Half precision keeps 11 bits of each state; this student's logits are larger than a real one's.
    assert np.abs(cached[real] - whole[real]).max() < 0.02
    sft = score(model, encoder, [item.pair for item in ITEMS], bf16=False)
    np.testing.assert_allclose(whole[:, -1, 0] - whole[:, -1, 1], sft.answer, atol=1e-4)
    np.testing.assert_allclose(whole[:, :-1], sft.attributes, atol=1e-4)
    batches = len(told)
    assert batches > 0
    # From the file now; another adapter has another.
    again = activations(causal, 1, examples, tmp_path, ["base", "adapter"], told.append, half=False)
    np.testing.assert_array_equal(again.states, store.states)
    assert len(told) == batches
    activations(causal, 1, examples, tmp_path, ["base", "other"], half=False)
    assert len(list(tmp_path.glob("activations-1-*.npy"))) == 2


def test_parts_share_prefixes_and_keep_their_places(student: tuple[Any, Encoder]) -> None:
    _, encoder = student
    examples = examples_of([*ITEMS, *ITEMS], encoder, None)
    parts = parts_of(examples)
    assert len(parts) == len(set(parts)) <= 2 * len(ITEMS)
    tokens = sum(len(suffix or prefix) for prefix, suffix in parts)
    Activations(np.zeros((tokens, 4), np.float16), parts)
    with pytest.raises(ValueError, match="states for"):
        Activations(np.zeros((tokens + 1, 4), np.float16), parts)


def test_only_layers_from_the_first_on_are_trained(tiny_base: Path, tmp_path: Path) -> None:
    from train.rl.loading import load_trainable

    from .making import tiny_config

    model, _, _ = load_trainable(tiny_config(tiny_base, tiny_adapter(tiny_base, tmp_path)))
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert trained
    assert all(".layers.1." in name and "lora_" in name for name in trained)
    assert freeze_below(model, 0) == sum(value.numel() for value in model.parameters() if value.requires_grad)
    causal = causal_of(model)
    for part in (lower, upper):
        with pytest.raises(DepthError, match="between 1 and 1, not 2"):
            part(causal, 2)
    assert len(causal.base_model.layers) == 2


def test_a_state_that_half_precision_cannot_hold_is_refused(student: tuple[Any, Encoder], tmp_path: Path) -> None:
    model, encoder = student
    causal = causal_of(model)
    weight = causal.base_model.embed_tokens.weight
    kept = weight.detach().clone()
    try:
        with torch.no_grad():
            weight.mul_(1e6)
        with pytest.raises(ActivationError, match="larger than half precision"):
            activations(causal, 1, examples_of(ITEMS, encoder, None), tmp_path, [])
        assert not list(tmp_path.iterdir())
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_judges_are_asked_once_for_what_listings_say(tmp_path: Path) -> None:
    judge = RuleJudge()
    pairs = [(item.pair.left, item.pair.right) for item in ITEMS]
    first = credit_of([judge], pairs, tmp_path)
    assert judge.asked == 15 * len(pairs)
    renamed = [(left.model_copy(update={"offer_id": "new"}), right) for left, right in pairs]
    again = credit_of([judge], [*reversed(renamed)], tmp_path)
    assert judge.asked == 15 * len(pairs)
    np.testing.assert_array_equal(again[::-1], first)
    # A judge with other weights is asked anew.
    other = RuleJudge(leaning=0.7)
    assert not np.array_equal(credit_of([other], pairs, tmp_path), first)
    assert other.asked == 15 * len(pairs)
    assert ScoreShelf(tmp_path, other).scores(pairs).shape == (6, 5, 3)


def test_a_single_claim_is_put_to_the_judges_of_its_attribute() -> None:
    from train.judges.claims import Claim

    pair = ITEMS[0].pair
    claim = Claim(pair.left, pair.right, "brand", "unknown", "a", "b")
    brand, variant = RuleJudge(attributes=("brand",)), RuleJudge(attributes=("variant",))
    assert claim_score([brand, variant], claim) == pytest.approx(0.3)
    assert variant.asked == 0
    assert claim_score([variant], claim) == 0


@pytest.mark.slow
def test_the_released_students_ten_upper_layers_say_what_all_thirty_say(tmp_path: Path) -> None:
    adapter = Path(__file__).parents[3] / STUDENT
    model, encoder = load_student("default", adapter)
    causal = causal_of(model)
    assert len(causal.base_model.layers) == 30
    examples = examples_of(ITEMS[:2], encoder, None)
    store = activations(causal, 20, examples, tmp_path, ["base", "adapter"], half=False)
    cached = score_examples(Network(causal, 20, store, encoder.choice_ids, half=False), examples)
    whole = score_examples(Network(causal, 0, None, encoder.choice_ids, half=False), examples)
    real = np.isfinite(whole)
    # A bundle's logits are compared to 0.01 elsewhere; the states keep 11 bits.
    assert np.abs(cached[real] - whole[real]).max() < 0.01
