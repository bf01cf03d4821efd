"""Texts to ids."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from export.verify import frozen_pairs
from schemas.bundle import BundleError
from schemas.prompt import BOS_ID, SLOTS
from worker.student.tokens import Tokens


@pytest.fixture(scope="module")
def tokens(tiny_bundle: Path) -> Tokens:
    return Tokens(tiny_bundle / "tokenizer.json")


def test_a_prompt_is_its_parts(tokens: Tokens) -> None:
    for pair in frozen_pairs():
        prefix, suffix = tokens.prefix(pair.query), tokens.suffix(pair.query, pair.candidate)
        assert prefix[0] == BOS_ID
        assert suffix[-len(SLOTS) :] == list(tokens.labels)
        assert BOS_ID not in prefix[1:] + suffix


def test_labels_and_choices(tokens: Tokens) -> None:
    assert len(set(tokens.labels)) == len(SLOTS)
    assert [len(choices) for choices in tokens.choices] == [3, 3, 3, 3, 3, 2]
    assert tokens.choices[0] == (1142, 896, 6552)  # " same", " different", " unknown" of SmolLM2


def test_pieces_end_where_their_bytes_end(tokens: Tokens) -> None:
    for text in ("dsc-w120/p 7.2 mp", "märklin 你好 h0", "a", ""):
        found = tokens.pieces(text)
        assert [piece.id for piece in found] == tokens.encode(text)
        assert (found[-1].end if found else 0) == len(text.encode())


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    Tokenizer(models.BPE({"a": 0, " ": 1}, [])).save(str(path))
    with pytest.raises(BundleError, match="splits the slot text"):
        Tokens(path)
    path.write_text("{}")
    with pytest.raises(BundleError, match="is not a tokenizer"):
        Tokens(path)
