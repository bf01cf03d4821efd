"""The one door for pairs to be trained on: whatever the file, nothing that will be measured passes (decision 15)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from train.pairs.guard import Guard
from train.pairs.pairs import Pair, read_pairs


def load_pairs(files: Iterable[Path], guard: Guard, origin: str | None = None) -> list[Pair]:
    """Labelled pairs of files of any format, each once, without what the guard keeps out and counts.

    Args:
        files: read in order; of pairs with the same titles and left description the last one counts.
        guard: what must not be trained on.
        origin: what the pairs are counted under; each file's name by default.

    Raises:
        PairFileError: a file is missing or broken.
    """
    pairs = (pair for file in files for pair in read_pairs(file, origin))
    return guard.filter({(*pair.title_key(), pair.left.description or ""): pair for pair in pairs}.values())
