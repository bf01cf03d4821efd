"""The worst mistakes: the wrong decisions that the student was surest of, with what it said and what it was shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from schemas.evidence import compare
from schemas.prompt import quotable
from schemas.rationale import ATTRIBUTES
from schemas.text import cut
from train.evaluation.evaluate import Scored
from train.report.measures import rounded
from worker.student.judge import Judge

# The data are for research and are not ours to publish: enough of a listing to recognise it, no more.
EXCERPT_CHARS = 80
SHOWN = 10


def worst(scored: Mapping[str, Scored], threshold: float, count: int = SHOWN) -> list[tuple[str, int]]:
    """Set and row of the most confident wrong decisions, worst first: by the probability given to the wrong answer."""
    wrong: list[tuple[float, str, int]] = []
    for name, result in scored.items():
        labels, probabilities = result.labels(), np.nan_to_num(result.probabilities(), nan=0.0)
        for row in np.flatnonzero((probabilities >= threshold) != labels):
            chance = float(probabilities[row])
            wrong.append((chance if not labels[row] else 1 - chance, name, int(row)))
    return [(name, row) for _, name, row in sorted(wrong, key=lambda item: (-item[0], item[1], item[2]))[:count]]


def mistakes(
    judge: Judge,
    scored: Mapping[str, Scored],
    threshold: float,
    audit: Mapping[str, str] | None = None,
    count: int = SHOWN,
) -> list[dict[str, Any]]:
    """The worst mistakes as rows of the report.

    Args:
        judge: explains each decision; its sentence may quote the listings, so it is cut as they are.
        scored: judgements of each set.
        threshold: of a match.
        audit: pair id to what a person said of it, where one did.
        count: how many.
    """
    rows = []
    for name, place in worst(scored, threshold, count):
        pair, judgement = scored[name].pairs[place], scored[name].judgements[place]
        said: dict[str, Any] = {"probability": None, "verdicts": {}, "sentence": None}
        if judgement is not None:
            answer = "same" if judgement.probability >= threshold else "different"
            rationale = judge.explain(pair.left, pair.right, judgement, "same" if answer == "same" else "different")
            said = {
                "probability": rounded(judgement.probability),
                "verdicts": {key: judgement.attributes[key].verdict for key in ATTRIBUTES},
                "sentence": cut(rationale.sentence or "", 2 * EXCERPT_CHARS),
            }
        rows.append(
            {
                "set": name,
                "pair_id": pair.pair_id,
                "label": "match" if pair.label == 1 else "no match",
                "left": cut(quotable(pair.left), EXCERPT_CHARS),
                "right": cut(quotable(pair.right), EXCERPT_CHARS),
                "evidence": compare(pair.left, pair.right).line(),
                "audit": (audit or {}).get(pair.pair_id),
                **said,
            }
        )
    return rows
