"""The blocking index as mining asks for it: a pool of offers goes in, each query's best candidates come out."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from schemas.offer import Offer
from worker.blocking import BlockingSettings, Index

BATCH = 500


class BlockedPools:
    """Indexes each pool in a namespace of its own on one Redis, with the settings that serve."""

    def __init__(self, url: str, settings: BlockingSettings | None = None) -> None:
        self.url = url
        self.settings = settings or BlockingSettings(namespace=f"mining-{secrets.token_hex(4)}")
        self.pools = 0

    def __call__(self, pool: Sequence[Offer], queries: Sequence[Offer], k: int) -> list[list[Offer]]:
        """For each query at most ``k`` offers of the pool, best first, without the query itself."""
        self.pools += 1
        index = Index.connect(self.url, settings=self.settings)
        index.start_check()
        index.initialise(f"pool-{self.pools}")
        by_key = {offer.key: offer for offer in pool}
        offers = list(by_key.values())
        for start in range(0, len(offers), BATCH):
            index.upsert_many((offer, start + place) for place, offer in enumerate(offers[start : start + BATCH]))
        found: list[list[Offer]] = []
        for start in range(0, len(queries), BATCH):
            for candidates in index.candidates_many(queries[start : start + BATCH], k):
                found.append([by_key[candidate.key] for candidate in candidates])
        index.purge_other_generations()
        return found
