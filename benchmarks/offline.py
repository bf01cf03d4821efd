"""The student alone on labelled pairs: what the stream is compared with.

The same as `samesku evaluate` (the left offer is the query, the bundle's threshold decides), without the statistics
that need the training install, and with the verdict of every pair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import orjson

from benchmarks.abt_buy import Labelled
from benchmarks.distance import Counts
from schemas.bundle import BundleManifest
from schemas.offer import Offer
from worker.student.judge import Judge


class OtherEvaluation(ValueError):
    """The evaluation is not one of this bundle on these pairs."""


def matches_offline(
    judge: Judge, labelled: Mapping[str, Labelled], threshold: float, progress: Callable[[int], None]
) -> set[str]:
    """The pair ids that the student calls a match. Pairs of one query are judged together; `progress` gets the sum."""
    groups: dict[str, list[str]] = {}
    for name, row in labelled.items():
        groups.setdefault(row.pair.left.offer_id, []).append(name)
    said, done = set(), 0
    for names in groups.values():
        query, candidates = _group([labelled[name] for name in names])
        for name, judgement in zip(names, judge.judge(query, candidates), strict=True):
            if judgement.probability >= threshold:
                said.add(name)
        done += len(names)
        progress(done)
    return said


def _group(rows: Sequence[Labelled]) -> tuple[Offer, list[Offer]]:
    return rows[0].pair.left, [row.pair.right for row in rows]


def evaluation_counts(path: Path, manifest: BundleManifest, pairs: int) -> Counts:
    """The counts behind a JSON object of `samesku evaluate --json`.

    `pairs`: how many it must be about. Raises OtherEvaluation and OSError.
    """
    try:
        found = orjson.loads(path.read_bytes())
        digest, judged, positives = found["bundle"]["digest"], int(found["pairs"]), int(found["positives"])
        precision, recall = float(found["precision"]), float(found["recall"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise OtherEvaluation(f"{path} is no JSON object of `samesku evaluate --json`: {error!r}") from error
    if digest != manifest.digest():
        raise OtherEvaluation(f"{path} is about the bundle {digest[:16]}, not {manifest.digest()[:16]}")
    if judged != pairs:
        raise OtherEvaluation(f"{path} is about {judged} pairs, not the {pairs} of the test split")
    right = round(recall * positives)
    return Counts(right, round(right / precision) - right if precision else 0, positives - right)
