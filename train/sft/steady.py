"""The verdicts that a student gives the training matches as they are, before any edit.

Nobody knows whether two listings that both name no pack size are of one size, so the loss masks it. But whatever the
student says of it, an edit of the brand should not change what it says. So a stage that trains on edits may ask for the
student's own earlier verdicts there (`SftConfig.steady`). They are no truth and are used for nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import orjson

from schemas.rationale import ATTRIBUTES, VERDICTS, Attribute, Verdict
from train.pairs.mixture import TrainingPair
from train.sft.scorer import load_student, score

STEADY_FILE = "steady.json"
Steady = dict[tuple[str, str], dict[Attribute, Verdict]]


def steady_verdicts(base: str, adapter: Path, items: Sequence[TrainingPair], out: Path) -> Steady:
    """The likeliest verdict on each attribute of each match among ``items``, by origin and pair id.

    Kept in ``out``, so that a run that goes on does not judge again; the folder belongs to one configuration.

    Raises:
        export.base.BaseModelError: there is no such base.
    """
    path = out / STEADY_FILE
    if path.exists():
        rows = orjson.loads(path.read_bytes())
    else:
        pairs = [item.pair for item in items if item.pair.label == 1]
        model, encoder = load_student(base, adapter)
        found = score(model, encoder, pairs).attributes.argmax(axis=2)
        rows = [
            [pair.origin, pair.pair_id, [VERDICTS[int(place)] for place in places]]
            for pair, places in zip(pairs, found, strict=True)
        ]
        out.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(orjson.dumps(rows))
        os.replace(part, path)
    return {(origin, pair): dict(zip(ATTRIBUTES, said, strict=True)) for origin, pair, said in rows}
