"""Scores of whole evaluation sets as a file: one row a pair, for calibration and tables that are made later.

A row is ``{"origin", "split", "pair_id", "label", "logit"}``; the file is JSON Lines, gzipped, the same bytes for the
same scores.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from train.pairs.guard import held_out_files, validation_files
from train.pairs.pairs import Pair, read_pairs, read_rows
from train.sft.examples import Encoder
from train.sft.scorer import score_both_orders

SetName = tuple[str, str]
"""Origin and split."""

BOTH_ORDERS_WITHIN = 3.0
"""The released student's margin, so that runs with something held out are scored as it serves."""

SPLITS: dict[str, Callable[[Path | None], dict[str, Path]]] = {"valid": validation_files, "test": held_out_files}


class UnknownSetError(ValueError):
    """A name of an evaluation set that there is none of; the message names those that there are."""


def evaluation_sets(names: Sequence[str], root: Path | None = None) -> dict[SetName, list[Pair]]:
    """Pairs of the named sets: ``valid`` and ``test`` stand for all four origins, ``abt-buy:valid`` for one.

    Raises:
        UnknownSetError: a name is none of these.
        train.pairs.pairs.PairFileError: a file cannot be read.
    """
    found: dict[SetName, list[Pair]] = {}
    for name in names:
        origin, _, split = name.rpartition(":")
        files = SPLITS[split](root) if split in SPLITS else {}
        chosen = {key: path for key, path in files.items() if origin in ("", key)}
        if not chosen:
            known = [f"{key}:{each}" for each, of in SPLITS.items() for key in of(root)]
            raise UnknownSetError(f"no evaluation set {name!r}: there are {', '.join([*SPLITS, *known])}")
        for key, path in chosen.items():
            found[key, split] = read_pairs(path, key)
    return found


def score_sets(
    model: Any,
    encoder: Encoder,
    sets: Mapping[SetName, Sequence[Pair]],
    progress: Callable[[SetName, int], None] = lambda name, done: None,
    within: float = BOTH_ORDERS_WITHIN,
) -> list[dict[str, Any]]:
    """Rows of all pairs of the sets; ``progress`` is told how many pairs of which set were scored.

    ``within``: as in :func:`train.sft.scorer.score_both_orders`.
    """
    rows: list[dict[str, Any]] = []
    for (origin, split), pairs in sets.items():
        name = origin, split
        tell = partial(progress, name)
        found = score_both_orders(model, encoder, pairs, within, tell)
        rows += [
            {
                "origin": origin,
                "split": split,
                "pair_id": pair.pair_id,
                "label": pair.label,
                "logit": round(float(logit), 4),
            }
            for pair, logit in zip(pairs, found.answer, strict=True)
        ]
    return rows


def write_scores(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(gzip.compress(b"".join(orjson.dumps(row) + b"\n" for row in rows), mtime=0))
    os.replace(part, path)


def read_scores(path: Path) -> list[dict[str, Any]]:
    """Rows of a file of scores.

    Raises:
        train.pairs.pairs.PairFileError: the file is missing or damaged.
    """
    return list(read_rows(path))
