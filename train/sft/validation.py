"""Validation on the way: how good the student is on a small sample of the validation sets, and whether to go on.

The log loss after Platt scaling on the sample decides what is best: it is proper, so it moves with every pair, where
F1 on some hundred pairs jumps. F1 is at the one threshold that is best on average over the sets, as in calibration.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from train.evaluation.metrics import Bools, Floats, f1_along
from train.pairs.guard import validation_files
from train.pairs.pairs import Pair, data_root, read_pairs
from train.sft.config import SftConfig

SAMPLE_SEED = 7


def validation_sample(config: SftConfig, root: Path | None = None) -> dict[str, list[Pair]]:
    """Origin to a seeded sample of its validation pairs, without what the run must not know of.

    That is: the origins left out, and every pair that touches a product held out.
    """
    from train.pairs.products import held_offers_of, touching

    base = root or data_root()
    found: dict[str, list[Pair]] = {}
    for origin, path in validation_files(base).items():
        if origin in config.leave_out:
            continue
        pairs = read_pairs(path, origin)
        if config.hold_products:
            held = held_offers_of(base, origin, config.hold_products, config.hold_seed)
            touched = {id(pair) for pair in touching(pairs, held, both=False)}
            pairs = [pair for pair in pairs if id(pair) not in touched]
        found[origin] = random.Random(SAMPLE_SEED).sample(pairs, min(config.evaluate_pairs, len(pairs)))
    return found


def validation_metrics(scored: Mapping[str, tuple[Floats, Bools]]) -> dict[str, float]:
    """``log_loss``, ``f1`` and ``f1_ORIGIN`` of ``{origin: (logits [pairs], labels [pairs])}``; each set weighs alike.

    Raises:
        ValueError: there are no pairs, or all are of one label.
    """
    logits = np.concatenate([values for values, _ in scored.values()])
    labels = np.concatenate([marks for _, marks in scored.values()])
    weights = np.concatenate([np.full(len(marks), 1 / (len(marks) * len(scored))) for _, marks in scored.values()])
    # The penalty keeps a student that separates a small sample wholly from an infinite slope.
    model = LogisticRegression(C=1.0).fit(logits[:, None], labels, sample_weight=weights * len(labels))
    loss = log_loss(labels, model.predict_proba(logits[:, None])[:, 1], sample_weight=weights)
    cuts = np.unique(logits)
    curves = {name: f1_along(marks[None], values[None] >= cuts[:, None]) for name, (values, marks) in scored.items()}
    mean = np.mean(list(curves.values()), axis=0)
    best = int(mean.argmax())
    return {
        "log_loss": round(float(loss), 5),
        "f1": round(float(mean[best]), 4),
        **{f"f1_{name}": round(float(curve[best]), 4) for name, curve in curves.items()},
    }
