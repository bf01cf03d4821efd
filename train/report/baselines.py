"""What the student is measured against: token-Jaccard, and gradient boosting on the very evidence that it is shown.

Gradient boosting learns from the same training pairs, in both orders, and takes the better threshold of each set from
that set's validation, while the student has one threshold for all: where it is ahead, it is by no trick.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Protocol

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from schemas.evidence import Evidence, compare
from schemas.offer import Offer
from schemas.text import clean
from train.evaluation.metrics import Floats
from train.pairs.pairs import Pair

FEATURES = tuple(field.name for field in fields(Evidence))
_STATED = {"same": 1.0, "different": -1.0, "one": 0.0}


class Scorer(Protocol):
    """Scores pairs [pairs]; a higher score is a likelier match."""

    def __call__(self, pairs: Sequence[Pair]) -> Floats: ...


def token_jaccard(pairs: Sequence[Pair]) -> Floats:
    """Words shared over words in all, of the titles (Jaccard 1912); [pairs], 0 to 1."""
    scores = []
    for pair in pairs:
        left, right = set(clean(pair.left.title).split()), set(clean(pair.right.title).split())
        scores.append(len(left & right) / max(1, len(left | right)))
    return np.array(scores, dtype=np.float64)


def features(query: Offer, candidate: Offer) -> list[float]:
    """The evidence as numbers, in the order of ``FEATURES``; NaN where a price or GTIN cannot be compared."""
    evidence = compare(query, candidate)
    values: list[float] = []
    for name in FEATURES:
        value = getattr(evidence, name)
        values.append(_STATED[value] if isinstance(value, str) else np.nan if value is None else float(value))
    return values


class Boosting:
    """Histogram gradient boosting on ``features``, scikit-learn's defaults; fitted on both orders of each pair."""

    def __init__(self, pairs: Iterable[Pair], seed: int = 0) -> None:
        """Fit. Raises ValueError (scikit-learn's) without both matches and non-matches."""
        rows, labels = [], []
        for pair in pairs:
            rows += [features(pair.left, pair.right), features(pair.right, pair.left)]
            labels += [pair.label, pair.label]
        table = np.array(rows)
        # A feature that no training pair has (prices, GTINs) has nothing to be split at, and scikit-learn fails on it.
        self._stated = ~np.isnan(table).all(axis=0)
        # Early stopping would take a tenth of the pairs away at random, both orders of a pair on either side.
        self._model = HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
        self._model.fit(table[:, self._stated], np.array(labels))

    def __call__(self, pairs: Sequence[Pair]) -> Floats:
        """Probabilities of a match [pairs], with the left offer as query."""
        if not pairs:
            return np.zeros(0)
        rows = np.array([features(pair.left, pair.right) for pair in pairs])[:, self._stated]
        return np.asarray(self._model.predict_proba(rows)[:, 1], dtype=np.float64)


def leave_out(pairs: Iterable[Pair], origin: str) -> list[Pair]:
    """The pairs of all other sets."""
    return [pair for pair in pairs if pair.origin != origin]


def boosting_scores(
    training: Sequence[Pair], tests: Mapping[str, Sequence[Pair]], validation: Mapping[str, Sequence[Pair]]
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """``{variant: {split: {set: scores}}}`` for the variants "all" and the name of each left-out set.

    A leave-one-out model scores the test pairs of its own set and the validation pairs of all others.
    """
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for variant in ("all", *tests):
        taught = list(training) if variant == "all" else leave_out(training, variant)
        if len({pair.label for pair in taught}) < 2:
            continue
        model = Boosting(taught)
        found[variant] = {
            "test": {name: model(pairs).tolist() for name, pairs in tests.items() if variant in ("all", name)},
            "valid": {name: model(pairs).tolist() for name, pairs in validation.items() if name != variant},
        }
    return found
