"""What the tests of training share: the real tokenizer, a tiny random base, and the real mixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from export.base import load_tokenizer
from export.tiny import make_tiny_base
from train.pairs.mixture import Mixture, build_mixture
from train.sft.examples import Encoder


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return load_tokenizer()


@pytest.fixture(scope="session")
def encoder(tokenizer: Any) -> Encoder:
    return Encoder(lambda text: list(tokenizer(text, add_special_tokens=False).input_ids))


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random two-layer Llama and the real tokenizer."""
    import torch

    torch.set_num_threads(1)
    return make_tiny_base(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="session")
def mixture(data_dir: Path) -> Mixture:
    """The whole mixture that the released student was trained on (half a minute)."""
    return build_mixture(data_dir)
