"""Validation scores that were saved before, so that fitting again needs no judging again.

Two forms of rows, in JSON Lines, gzipped or not: those of `samesku evaluate --scores` (``pair_id``, ``label``,
``logit``; the set is the file's name) and those of `samesku train score` (with ``origin`` and ``split``; the set is the
origin, and only rows of the split ``valid`` are read). Rows of test pairs are left out, whatever file they are in.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from train.evaluation.metrics import Bools, Floats
from train.pairs.guard import Guard, held_out_files, validation_files
from train.pairs.pairs import Pair, read_pairs, read_rows

SPLIT = "valid"


class ScoresError(ValueError):
    """A file of scores that cannot be calibrated on; the message names file, row and what would be valid."""


@dataclass
class Scores:
    """Logits and labels by set, and how many rows of test pairs were left out, by set."""

    sets: dict[str, tuple[Floats, Bools]]
    left_out: dict[str, int] = field(default_factory=dict)


def calibration_pairs(root: Path | None = None) -> tuple[dict[str, list[Pair]], frozenset[str]]:
    """The validation pairs of each set without those of a test set, and the ids of all pairs that must not be used.

    WDC's medium validation sets share pairs with its tests: by id, or with the same two titles under other ids.

    Raises:
        train.pairs.pairs.PairFileError: a file cannot be read.
    """
    tests = [pair for path in held_out_files(root).values() for pair in read_pairs(path)]
    guard, forbidden = Guard.from_pairs(tests), {pair.pair_id for pair in tests}
    allowed: dict[str, list[Pair]] = {}
    for name, path in validation_files(root).items():
        pairs = read_pairs(path)
        allowed[name] = [pair for pair in pairs if guard.allows(pair) and pair.pair_id not in forbidden]
        forbidden |= {pair.pair_id for pair in pairs} - {pair.pair_id for pair in allowed[name]}
    return allowed, frozenset(forbidden)


def read_scores(paths: Sequence[Path], forbidden: Collection[str] = ()) -> Scores:
    """Scores of the files, without the pair ids that are ``forbidden``.

    Raises:
        ScoresError: a row lacks an id, a label of 0 or 1 or a finite logit; a pair has two scores in a set; most rows
            of a set are forbidden, so that it is a test set; or nothing is left.
        train.pairs.pairs.PairFileError: a file cannot be read.
    """
    rows: dict[str, dict[str, tuple[float, bool]]] = {}
    left_out: dict[str, int] = {}
    for path in paths:
        for number, row in enumerate(read_rows(path), 1):
            if row.get("split", SPLIT) != SPLIT:
                continue
            name = str(row.get("origin") or path.name.removesuffix(".gz").removesuffix(".jsonl"))
            identity, logit, label = _read(row, f"{path}:{number}")
            if identity in forbidden:
                left_out[name] = left_out.get(name, 0) + 1
            elif rows.setdefault(name, {}).setdefault(identity, (logit, label)) != (logit, label):
                raise ScoresError(f"{path}:{number}: pair {identity} of {name} has two scores: give each set once")
    for name, count in left_out.items():
        if count > len(rows.get(name, {})):
            raise ScoresError(f"{name}: {count} rows are of test pairs: calibrate on validation scores")
    if not rows:
        raise ScoresError(f"no validation scores in {', '.join(map(str, paths))}")
    sets = {
        name: (np.array([logit for logit, _ in found.values()]), np.array([label for _, label in found.values()]))
        for name, found in rows.items()
    }
    return Scores(sets, left_out)


def _read(row: dict[str, Any], where: str) -> tuple[str, float, bool]:
    identity, logit, label = row.get("pair_id"), row.get("logit"), row.get("label")
    if not isinstance(identity, str) or not identity:
        raise ScoresError(f"{where}: no pair_id")
    if isinstance(logit, bool) or not isinstance(logit, int | float) or not math.isfinite(logit):
        raise ScoresError(f"{where}: logit must be a finite number, not {logit!r}")
    if isinstance(label, bool) or label not in (0, 1):
        raise ScoresError(f"{where}: label must be 0 or 1, not {label!r}")
    return identity, float(logit), label == 1
