"""The index of all offers: who could be the same product as this one?

Redis holds, per shard, the offers, their postings and their links. Each write is one atomic script, idempotent by
effective version (the offset of the change): an offer, its postings and its shard's counts share one hash tag, so the
script reads the terms that were stored with the offer, removes what is stale and adds what is new.

Non-goals: waiting out an absent Redis, and deciding what is to be restored. The loop does both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import orjson

from schemas.offer import Offer
from worker.blocking import server
from worker.blocking.layout import escaped
from worker.blocking.links import Links
from worker.blocking.records import Delete, StoredOffer, Upsert, Write, Written
from worker.blocking.scripts import Call, run
from worker.blocking.search import Search
from worker.blocking.settings import BlockingSettings
from worker.blocking.terms import document_terms

_MS_PER_DAY = 86_400_000
_SCAN_CHUNK = 1_000


class Index(Search, Links):
    """See the module. Not safe for several threads at once; any number of processes may share one index."""

    @classmethod
    def connect(cls, *urls: str, settings: BlockingSettings | None = None) -> Self:
        """An index on a Redis (one URL) or Redis Cluster (several). For one URL no connection is made yet."""
        return cls(server.connect(*urls), settings)

    def upsert(self, offer: Offer, effective_version: int) -> Written:
        """Index one offer; see :meth:`write_many`."""
        return self.write_many([Upsert(offer, effective_version)])[0]

    def upsert_many(self, offers: Iterable[tuple[Offer, int]]) -> list[Written]:
        """Index offers with their effective versions; see :meth:`write_many`."""
        return self.write_many([Upsert(offer, version) for offer, version in offers])

    def delete(self, key: str, effective_version: int, seller_version: int | None = None) -> Written:
        """Take one offer out of the index and leave a versioned marker; see :meth:`write_many`."""
        return self.write_many([Delete(key, effective_version, seller_version)])[0]

    def write_many(self, changes: Sequence[Upsert | Delete]) -> list[Written]:
        """Apply changes, one atomic script each, in few round trips. An offer may occur once.

        The same effective version again is applied again in full; a lower one, or a lower seller version, changes
        nothing and is ``SUPERSEDED``; an equal seller version with other content is applied and flagged.

        Raises:
            IndexLost: the index is gone; some changes may have been applied (apply them again later).
            redis.RedisError: likewise.
            ValueError: an offer occurs twice.
        """
        keys = [change.offer.key if isinstance(change, Upsert) else change.key for change in changes]
        if len(set(keys)) < len(keys):
            raise ValueError("an offer occurs twice in one batch of writes")
        results = run(self.client, [self._write_call(key, change) for key, change in zip(keys, changes, strict=True)])
        return [_written(key, change, result) for key, change, result in zip(keys, changes, results, strict=True)]

    def _write_call(self, key: str, change: Upsert | Delete) -> Call:
        shard = self._layout.shard(key)
        at = [self._layout.offer(key)]
        postings = self._layout.postings(shard)
        if isinstance(change, Delete):
            seller = "" if change.seller_version is None else change.seller_version
            life = int((self.settings.marker_days or 0) * _MS_PER_DAY)
            return self._call("delete", shard, at, postings, key, change.effective_version, seller, life)
        offer = change.offer
        seller = "" if offer.version is None else offer.version
        terms = "".join(f"{term}\x1f{score}\x1f" for term, score in document_terms(offer, self.settings).items())
        content = orjson.dumps(offer.model_dump(exclude_none=True))
        return self._call(
            "upsert", shard, at, postings, key, change.effective_version, seller, offer.digest(), content, terms
        )

    def read(self, keys: Sequence[str]) -> list[StoredOffer | None]:
        """Offers and delete markers by key; ``None`` for what was never indexed. One script per shard."""
        results = self._by_shard("read", keys, lambda key: [self._layout.offer(key)])
        return [_stored(key, row[0]) for key, row in zip(keys, results, strict=True)]

    def keys(self) -> Iterator[str]:
        """Keys of all offers and delete markers of this generation. A scan: slow, and what comes meanwhile may miss."""
        for shard in range(self.settings.shards):
            prefix = self._layout.offers(shard)
            for name in self.client.scan_iter(match=escaped(prefix) + b"*", count=_SCAN_CHUNK):
                yield name[len(prefix) :].decode()


def _written(key: str, change: Upsert | Delete, result: list[Any]) -> Written:
    status, version, flag, by_seller = Write(result[0].decode()), int(result[1]), bool(result[2]), bool(result[3])
    if isinstance(change, Delete):
        return Written(key, status, version, known=flag, by_seller_version=by_seller)
    return Written(key, status, version, equal_version_conflict=flag, by_seller_version=by_seller)


def _stored(key: str, row: list[bytes | None]) -> StoredOffer | None:
    version, seller, digest, deleted, content = row
    if version is None:
        return None
    return StoredOffer(
        key, int(version), int(seller) if seller else None, (digest or b"").decode(), deleted == b"1", content or b""
    )
