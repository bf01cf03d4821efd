"""The index beside a plain Python BM25, after changes in any order, repeated and late."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.identifiers import identifier_keys
from schemas.offer import Offer
from worker.blocking import BlockingSettings, Delete, Index, Upsert, Write
from worker.blocking.terms import grams

WORDS = (
    "sony",
    "camera",
    "dsc-w120/p",
    "pink",
    "blue",
    "1080p",
    "tv",
    "bravia",
    "kdl40",
    "dscw120p",
    "ünicode",
    "中文",
)
titles = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
numbers = st.integers(0, 7)
changes = st.lists(
    st.tuples(numbers, st.one_of(st.none(), titles), st.one_of(st.none(), st.integers(0, 3))), min_size=1, max_size=25
)
_generations = itertools.count()


@dataclass
class Model:
    """What the index should hold: textbook BM25 in floating point, and the rules of versions of the design."""

    offers: dict[str, Offer | None] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    floors: dict[str, int] = field(default_factory=dict)

    def apply(self, key: str, offer: Offer | None, version: int, seller: int | None) -> bool:
        """Whether the change stands (not superseded)."""
        held = self.versions.get(key, -1)
        if version < held or (version > held and seller is not None and seller < self.floors.get(key, 0)):
            return False
        self.offers[key], self.versions[key] = offer, version
        if seller is not None:
            self.floors[key] = max(seller, self.floors.get(key, 0))
        return True

    def scores(self, query: Offer) -> dict[str, float]:
        live = {key: offer for key, offer in self.offers.items() if offer is not None}
        found: dict[str, float] = {}
        asked = [*((term, 1.0) for term in grams(query)), *((term, 3.0) for term in identifier_keys(query))]
        for term, boost in asked:
            holders = {
                key: grams(offer)[term] or 1
                for key, offer in live.items()
                if term in {*grams(offer), *identifier_keys(offer)}
            }
            idf = math.log(1 + (len(live) - len(holders) + 0.5) / (len(holders) + 0.5))
            for key, tf in holders.items():
                length = grams(live[key]).total()
                part = tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length / 46)) if boost == 1.0 else 1.0
                found[key] = found.get(key, 0.0) + boost * idf * part
        found.pop(query.key, None)
        return found


def made(number: int, title: str, seller: int | None) -> Offer:
    return Offer(offer_id=str(number), source="s", title=title, version=seller)


@pytest.fixture(scope="module")
def own_url(redis_server: object) -> str:
    url: str = redis_server.url(15)  # type: ignore[attr-defined]
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=changes, late=st.lists(st.integers(0, 24), max_size=20), query=titles, shards=st.integers(1, 3))
def test_index_and_model_agree(
    own_url: str, log: list[tuple[int, str | None, int | None]], late: list[int], query: str, shards: int
) -> None:
    index = Index.connect(own_url, settings=BlockingSettings(shards=shards))
    index.initialise(f"g{next(_generations)}")
    model = Model()
    deliveries = [*range(len(log)), *(i for i in late if i < len(log))]
    for offset in sorted(deliveries, key=lambda i: (i * 7919) % 13):
        number, title, seller = log[offset]
        key = f"s:{number}"
        offer = None if title is None else made(number, title, seller)
        change = Delete(key, offset, seller) if offer is None else Upsert(offer, offset)
        stands = model.apply(key, offer, offset, seller)
        (written,) = index.write_many([change])
        assert (written.status is not Write.SUPERSEDED) == stands
        assert written.standing_version == model.versions[key]

    for stored in index.read(sorted(model.offers)):
        assert stored is not None
        expected = model.offers[stored.key]
        assert (stored.effective_version, stored.deleted) == (model.versions[stored.key], expected is None)
        assert expected is None or stored.offer == expected

    for asked in (made(99, query, None), made(3, query, None)):
        expected_scores = model.scores(asked)
        found = index.candidates(asked, 50)
        assert {c.key for c in found} == set(expected_scores)
        for candidate in found:
            # Fixed point: half a unit in each factor of each of some 50 terms.
            assert candidate.score == pytest.approx(expected_scores[candidate.key], abs=0.12)
        assert found == sorted(found, key=lambda c: (-c.score, c.key.encode()))
        assert index.candidates(asked, 2) == found[:2]
