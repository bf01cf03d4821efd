"""Made-up pairs for the report's tests: products with codes, as matches and as near misses."""

from __future__ import annotations

import numpy as np

from schemas.offer import Offer
from train.pairs.pairs import Pair

BRANDS = ("acme", "bolt", "corin", "delta")
THINGS = ("camera", "drill", "printer", "speaker", "toaster")


def made_up_pairs(count: int, origin: str = "made-up", seed: int = 0) -> list[Pair]:
    """Pairs by turns match and non-match; a match shares its code, a non-match only brand and kind."""
    generator = np.random.default_rng([seed, *origin.encode()])
    pairs = []
    for number in range(count):
        brand, thing = generator.choice(BRANDS), generator.choice(THINGS)
        code, other = (f"{brand[0]}x{value}" for value in generator.choice(np.arange(1000, 9999), 2, replace=False))
        label = number % 2
        left = Offer(
            offer_id=f"{origin}-l{number}", source="left", title=f"{brand} {thing} {code} black", brand=str(brand)
        )
        words = f"{thing} by {brand} {code if label else other}" + (" twin pack" if number % 3 == 0 else "")
        right = Offer(offer_id=f"{origin}-r{number}", source="right", title=words)
        meta = {"is_hard_negative": label == 0 and number % 4 == 0}
        pairs.append(Pair(f"{origin}-{number}", left, right, label, origin, meta if origin == "wdc-products" else {}))
    return pairs
