from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.tiny import export_tiny
from export.verify import frozen_pairs
from schemas.rationale import ATTRIBUTES
from train.pairs.pairs import Pair
from train.sft.scorer import Scores, load_student, score
from worker.student.student import Student

pytestmark = pytest.mark.slow


def pairs() -> list[Pair]:
    """Eight candidates under each of two queries, and one pair twice: prefixes are shared, prompts repeat."""
    frozen = frozen_pairs()
    made = [
        Pair(f"{a}-{b}", one.query, two.candidate, 0, "frozen")
        for a, one in enumerate(frozen[:2])
        for b, two in enumerate(frozen[:8])
    ]
    return [*made, made[3]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base, an adapter and the bundle that was exported from them."""
    folder = tmp_path_factory.mktemp("tiny")
    export_tiny(folder)
    return folder


def scored(made: Path, **options: Any) -> Scores:
    import torch

    torch.set_num_threads(1)
    model, encoder = load_student(str(made / "base"), made / "tiny" / "adapter")
    return score(model, encoder, pairs(), **options)


@pytest.mark.parametrize("swap", [False, True])
def test_the_scores_are_those_of_the_engine_that_serves(made: Path, swap: bool) -> None:
    found = scored(made, swap=swap, rows_per_batch=2, bf16=False)
    student = Student.load(made / "bundle", threads=1)
    for number, pair in enumerate(pairs()):
        query, other = (pair.right, pair.left) if swap else (pair.left, pair.right)
        judged = student.judge(query, [other])[0]
        # The adapter is the one in fp16 that the bundle was made from; a judgement has four decimals.
        assert found.answer[number] == pytest.approx(judged.logit, abs=2e-4)
        for place, name in enumerate(ATTRIBUTES):
            odds = np.exp(found.attributes[number, place] - found.attributes[number, place].max())
            wanted = judged.attributes[name]
            assert odds / odds.sum() == pytest.approx([wanted.p_same, wanted.p_different, wanted.p_unknown], abs=2e-4)


def test_packing_changes_nothing_and_equal_prompts_have_equal_scores(made: Path) -> None:
    told: list[int] = []
    packed, single = scored(made, bf16=False, progress=told.append), scored(made, rows_per_batch=1, bf16=False)
    np.testing.assert_allclose(packed.answer, single.answer, atol=1e-4)
    np.testing.assert_allclose(packed.attributes, single.attributes, atol=1e-4)
    assert packed.answer[3] == packed.answer[-1]
    assert len({round(value, 3) for value in packed.answer}) > 8
    assert sum(told) == len(pairs())


def test_bfloat16_is_the_same_within_its_noise(made: Path) -> None:
    exact, rounded = scored(made, bf16=False), scored(made, bf16=True)
    assert np.abs(exact.answer - rounded.answer).max() < 0.1 * np.abs(exact.answer).max()
    assert np.corrcoef(exact.answer, rounded.answer)[0, 1] > 0.99
