"""Does the bundle say what the trained model says? Asked of the very engine that serves, on a frozen set of pairs.

The reference is torch with the adapter beside the base, unmerged: so a wrong merge, a wrong transpose, a wrong
surgery and a wrong tokenizer all show. The pairs are made up and committed; some are as hostile as listings get.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from export.failures import ExportRefusedError
from schemas.offer import Offer
from schemas.prompt import BOS_ID, SLOTS, render_candidate, render_query
from worker.student.session import Session
from worker.student.tokens import Tokens

FROZEN_PAIRS = Path(__file__).parent / "frozen_pairs.jsonl"

LOGIT_TOLERANCE = 1e-3
"""Merged and unmerged fp32 weights round differently, 3e-5 at most in trials; a wrong merge shows as 1 or more."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and a candidate."""

    query: Offer
    candidate: Offer


@dataclass(frozen=True, slots=True)
class Verification:
    """What the comparison found; `labels_equal` counts slots whose likeliest choice is the same."""

    pairs: int
    slots: int
    labels_equal: int
    max_logit_difference: float
    mean_logit_difference: float


def frozen_pairs(path: Path = FROZEN_PAIRS) -> list[Pair]:
    """The committed pairs."""
    rows = (orjson.loads(line) for line in path.read_bytes().splitlines())
    return [Pair(Offer.model_validate(row["query"]), Offer.model_validate(row["candidate"])) for row in rows]


def torch_logits(model: Any, tokenizer: Any, pairs: Sequence[Pair]) -> list[FloatArray]:
    """Reference: one plain forward pass a pair without cache; each result is [slots, 3], nan where a choice is missing.

    Args:
        model: torch model, the adapter in place.
        tokenizer: the trainer's tokenizer (transformers).
    """
    import torch

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
        return ids

    labels = [encode(slot.label)[0] for slot in SLOTS]
    choices = [[encode(choice)[0] for choice in slot.choices] for slot in SLOTS]
    found: list[FloatArray] = []
    before = torch.get_num_threads()
    # Where another process is busy, OpenMP's threads wait for each other: one is quick enough, two took minutes.
    torch.set_num_threads(1)
    with torch.inference_mode():
        for pair in pairs:
            parts = encode(render_query(pair.query)), encode(render_candidate(pair.query, pair.candidate))
            ids = torch.tensor([[BOS_ID, *parts[0], *parts[1], *labels]])
            logits = model(input_ids=ids, logits_to_keep=len(SLOTS)).logits[0].double().numpy()
            found.append(_chosen(logits, choices))
    torch.set_num_threads(before)
    return found


def student_logits(folder: Path, pairs: Sequence[Pair], threads: int) -> list[FloatArray]:
    """The same from the bundle's files through the serving engine, the query's part computed first and shared."""
    session, tokens = Session(folder / "model.onnx", threads), Tokens(folder / "tokenizer.json")
    found: list[FloatArray] = []
    for pair in pairs:
        _, past = session.extend(tokens.prefix(pair.query), session.empty())
        suffix = tokens.suffix(pair.query, pair.candidate)
        logits = session.last_logits([suffix], past, len(SLOTS))[0]
        found.append(_chosen(logits.astype(np.float64), tokens.choices))
    return found


def _chosen(logits: Any, choices: Sequence[Sequence[int]]) -> FloatArray:
    rows = np.full((len(SLOTS), 3), np.nan)
    for slot, ids in enumerate(choices):
        rows[slot, : len(ids)] = logits[slot, list(ids)]
    return rows


def check_tokens(folder: Path, tokenizer: Any, pairs: Sequence[Pair]) -> None:
    """Serving and training tokenise alike.

    Raises:
        ExportRefusedError: a text of the frozen set becomes other ids.
    """
    tokens = Tokens(folder / "tokenizer.json")
    for pair in pairs:
        for text in (render_query(pair.query), render_candidate(pair.query, pair.candidate)):
            if tokens.encode(text) != tokenizer(text, add_special_tokens=False).input_ids:
                raise ExportRefusedError(f"the exported tokenizer splits {text!r} differently from the trainer's")


def compare(expected: Sequence[FloatArray], found: Sequence[FloatArray]) -> Verification:
    """Compare both engines' logits.

    Raises:
        ExportRefusedError: a label differs (unless its lead is within the tolerance), or a logit by more than
            `LOGIT_TOLERANCE`, or one is not a number.
    """
    differences = np.array([np.abs(a - b) for a, b in zip(expected, found, strict=True)])
    differences = differences[~np.isnan(np.array(list(expected)))]
    if not np.isfinite(differences).all():
        raise ExportRefusedError("the exported student's logits are not numbers")
    equal = 0
    for number, (a, b) in enumerate(zip(expected, found, strict=True)):
        for slot in range(len(SLOTS)):
            if np.nanargmax(a[slot]) == np.nanargmax(b[slot]):
                equal += 1
            elif np.nanmax(a[slot]) - a[slot][np.nanargmax(b[slot])] > LOGIT_TOLERANCE:
                raise ExportRefusedError(
                    f"pair {number} of the frozen set, slot {SLOTS[slot].name}: the exported student chooses another"
                    f" label than the trained one (logits {b[slot].tolist()} against {a[slot].tolist()})"
                )
    worst = float(differences.max())
    if worst > LOGIT_TOLERANCE:
        raise ExportRefusedError(f"logits differ by up to {worst:.2g} on the frozen set, {LOGIT_TOLERANCE} is allowed")
    return Verification(len(expected), len(expected) * len(SLOTS), equal, worst, float(differences.mean()))
