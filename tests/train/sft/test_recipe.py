from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from export.verify import frozen_pairs
from train.pairs.mixture import Mixture, TrainingPair
from train.pairs.pairs import Pair
from train.rationales.derive import derive
from train.rationales.imported import ImportReport
from train.sft.examples import Encoder
from train.sft.recipe import SftConfig, run_sft
from train.sft.schedule import is_easy_negative, schedule


@pytest.fixture(scope="module")
def few() -> Mixture:
    pairs = [
        TrainingPair(
            Pair(str(number), item.query, item.candidate, number % 2, "frozen"),
            derive(item.query, item.candidate, number % 2, frozenset()),
        )
        for number, item in enumerate(frozen_pairs()[:16])
    ]
    return Mixture(pairs, {"frozen:0": 8, "frozen:1": 8}, {}, ImportReport())


def test_directions_flip_and_matches_are_seen_from_both_sides(few: Mixture, encoder: Encoder) -> None:
    def seen(epoch: int, both_ways: bool) -> list[tuple[int, ...]]:
        examples = schedule(
            few.pairs, encoder, seed=1, epoch=epoch, keep_easy=1.0, sentence_share=0.0, both_ways=both_ways
        )
        return [example.prefix for example in examples]

    assert len(seen(0, both_ways=False)) == 16
    assert len(seen(0, both_ways=True)) == 24
    assert seen(0, both_ways=False) == seen(2, both_ways=False)
    for first, second, item in zip(seen(0, both_ways=False), seen(1, both_ways=False), few.pairs, strict=True):
        assert {first, second} == {encoder.prefix(item.pair.left), encoder.prefix(item.pair.right)}


def test_easy_negatives_are_thinned_and_sentences_are_shared_out(few: Mixture, encoder: Encoder) -> None:
    easy = [item for item in few.pairs if is_easy_negative(item)]
    assert all(item.pair.label == 0 for item in easy)
    kept = schedule(few.pairs, encoder, seed=1, epoch=0, keep_easy=0.0, sentence_share=1.0, both_ways=False)
    assert len(kept) == 16 - len(easy)
    with_sentence = [item for item in few.pairs if item.targets.sentence is not None and item not in easy]
    assert sum(bool(example.sentence) for example in kept) == len(with_sentence) > 0


# Two checkpoints within one second make transformers doubt the clock of the file system.
@pytest.mark.filterwarnings("ignore:mtime may not be reliable:UserWarning")
@pytest.mark.slow
def test_a_run_writes_its_adapter_and_goes_on_where_it_stopped(tiny_base: Path, few: Mixture, tmp_path: Path) -> None:
    import torch

    torch.set_num_threads(1)
    config = SftConfig(
        base=str(tiny_base), max_steps=1, save_steps=1, rows_per_step=2, rank=2, alpha=4, sentence_share=1.0,
        keep_easy=1.0, threads=1,
    )  # fmt: skip
    adapter = run_sft(config, tmp_path / "run", few)
    assert adapter == tmp_path / "run" / "adapter"
    first = (adapter / "adapter_model.safetensors").read_bytes()
    run_sft(config.model_copy(update={"max_steps": 2}), tmp_path / "run", few)
    assert (adapter / "adapter_model.safetensors").read_bytes() != first
    assert orjson.loads((adapter / "adapter_config.json").read_bytes())["r"] == 2

    facts = orjson.loads((tmp_path / "run" / "training.json").read_bytes())
    assert facts["steps"] == 2
    assert facts["config"]["max_steps"] == 2
    assert facts["data"]["digest"] == few.digest()
    assert facts["data"]["counts"] == {"frozen:0": 8, "frozen:1": 8}
    assert facts["examples"] == 24
    assert min(facts["tokens"], facts["rows"], facts["seconds"]) > 0
    # Resumed, not begun again: the first run's checkpoint is as that run wrote it.
    state = orjson.loads((tmp_path / "run" / "checkpoints" / "checkpoint-1" / "trainer_state.json").read_bytes())
    assert (state["global_step"], state["max_steps"]) == (1, 1)
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-2").is_dir()
