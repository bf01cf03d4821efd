"""A judge of made-up pairs, trained once a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.judges.made import RECIPE, data
from tests.train.teacher.conftest import llama as llama  # the same real server as the teacher's tests
from train.judges.encoder import EncoderJudge
from train.judges.training import train_judge


@pytest.fixture(scope="session")
def judge_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained variant_conflict judge on evidence alone."""
    folder = tmp_path_factory.mktemp("judges") / "variant_conflict"
    train_judge("variant_conflict", RECIPE, folder, data=data("variant_conflict"))
    return folder


@pytest.fixture(scope="session")
def judge(judge_folder: Path) -> EncoderJudge:
    from train.judges.encoder import load_encoder

    return load_encoder(judge_folder)
