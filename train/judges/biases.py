"""Whether a judge's score moves with what should not matter: length, praise, upper case, the order of the sides."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from schemas.offer import Offer
from schemas.prompt import quotable
from train.evaluation.metrics import Floats
from train.judges.claims import Claim
from train.judges.corruptions import Preference
from train.judges.interface import Judge
from train.pairs.wordlists import EVALUATION

STYLE_CLAIMS = 150


def within(groups: Sequence[str], values: Floats, others: Floats) -> float:
    """Pearson's r of two series after the mean of each group is taken off; 0 where one of them does not vary."""
    a, b = values.astype(float).copy(), others.astype(float).copy()
    names = np.array(groups)
    for name in np.unique(names):
        chosen = names == name
        a[chosen] -= a[chosen].mean()
        b[chosen] -= b[chosen].mean()
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / spread) if spread > 1e-12 else 0.0


def length_bias(cases: Sequence[Preference], right: Floats, wrong: Floats) -> tuple[float, float]:
    """r of score and length at fixed kind and correctness: of both listings' texts, and of the quotes where quoted."""
    claims = [*(case.right for case in cases), *(case.wrong for case in cases)]
    groups = [f"{case.kind}:{side}" for side in ("right", "wrong") for case in cases]
    scores = np.concatenate([right, wrong])
    listing = np.array([len(quotable(claim.left)) + len(quotable(claim.right)) for claim in claims], dtype=float)
    quoted = [number for number, claim in enumerate(claims) if claim.quote_left or claim.quote_right]
    lengths = np.array([len(claims[number].quote_left) + len(claims[number].quote_right) for number in quoted])
    of_quotes = within([groups[number] for number in quoted], scores[quoted], lengths) if quoted else 0.0
    return within(groups, scores, listing), of_quotes


def _titled(offer: Offer, title: str) -> Offer:
    return offer.model_copy(update={"title": title[:2_000]})


def style_bias(judge: Judge, cases: Sequence[Preference], *, seed: int) -> dict[str, float]:
    """Mean absolute change of score by each change of style, over right and wrong claims alike."""
    rng = random.Random(seed)
    claims = [
        claim for case in rng.sample(list(cases), min(len(cases), STYLE_CLAIMS)) for claim in (case.right, case.wrong)
    ]
    changed: dict[str, list[Claim]] = {
        "promotion": [
            replace(claim, left=_titled(claim.left, f"{claim.left.title} {rng.choice(EVALUATION.promotions)}"))
            for claim in claims
        ],
        "upper case": [
            replace(
                claim,
                left=_titled(claim.left, claim.left.title.upper()),
                right=_titled(claim.right, claim.right.title.upper()),
            )
            for claim in claims
        ],
        "order": [claim.swapped() for claim in claims],
    }
    before = judge.score(claims)
    return {name: float(np.abs(judge.score(found) - before).mean()) for name, found in changed.items()}
