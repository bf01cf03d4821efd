from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.offer import Offer
from worker.blocking import BlockingSettings, Index

OpenIndex = Callable[..., Index]


@pytest.fixture
def open_index(redis_url: str) -> OpenIndex:
    """Opens clients of one index (generation "g") on an empty Redis."""

    def opened(generation: str = "g", **settings: object) -> Index:
        index = Index.connect(redis_url, settings=BlockingSettings(**settings))  # type: ignore[arg-type]
        index.initialise(generation)
        return index

    return opened


@pytest.fixture
def index(open_index: OpenIndex) -> Index:
    return open_index(shards=3)


def offer(number: int | str, title: str = "sony dsc-w120/p camera", **fields: object) -> Offer:
    return Offer.model_validate({"offer_id": str(number), "source": "s", "title": title, **fields})
