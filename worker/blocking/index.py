"""The index of all offers: who could be the same product as this one?

Redis holds, per shard, the offers, their postings and their links; each write is one atomic script, idempotent by effective
version (the offset of the change). A generation is adopted first (:meth:`Index.initialise` or :meth:`Index.adopt`); after
that every script is refused with :class:`IndexLost` once that very build of the index is gone.

Applied offsets live in every shard's meta hash. They cannot be atomic with upserts in other slots, so they are advanced
by a call of their own after all upserts of a batch were acknowledged: a crash between leaves them too low (the changes come
again, idempotently), never too high. They are written to *every* shard and read as the least over all, because
replication keeps order only within a node: a failed-over node that forgot an upsert forgot its later offset too.

Non-goals: waiting out an absent Redis (the loop does), deciding what is to be restored.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from schemas.offer import Offer

from worker.blocking import server
from worker.blocking.errors import IndexLost, IndexRegressed
from worker.blocking.layout import Layout
from worker.blocking.links import Links
from worker.blocking.records import Candidate, Delete, StoredOffer, Upsert, Write, Written
from worker.blocking.scripts import Call, Client, run
from worker.blocking.settings import BlockingSettings
from worker.blocking.terms import UNIT, document_terms, plan, query_terms

_MS_PER_DAY = 86_400_000
# Purging deletes this many keys per round trip.
_PURGE_CHUNK = 1_000


class Index(Links):
    """See the module. Not safe for use by several threads at once; any number of processes may share one index."""

    def __init__(self, client: Client, settings: BlockingSettings | None = None) -> None:
        self.client = client
        self.settings = settings or BlockingSettings()
        self.generation: str | None = None
        self._layout = Layout(self.settings, "")
        self._stamps: list[bytes] = []
        self._seen: dict[int, int] = {}

    @classmethod
    def connect(cls, *urls: str, settings: BlockingSettings | None = None) -> Index:
        """An index on a Redis (one URL) or Redis Cluster (several). No connection is made yet for one URL."""
        return cls(server.connect(*urls), settings)

    @property
    def format(self) -> str:
        """What the caller must bind into the generation beside topic id and partition count."""
        return self.settings.format

    def start_check(self) -> None:
        """Raises UnfitRedis for a server that is too old, evicts or is a replica."""
        server.check(self.client)

    # Generation and applied offsets

    def held(self, generation: str) -> list[bytes | None]:
        """Stamp of each shard for this generation; ``None`` where the shard has none. All ``None``: there is no such index."""
        layout = Layout(self.settings, generation)
        return [self.client.hget(layout.meta(s), "generation") for s in range(self.settings.shards)]  # type: ignore[misc]

    def initialise(self, generation: str) -> None:
        """Make the index of this generation where it (or a shard of it) is missing, keep what is there, and adopt it.

        Several workers may do so at once: all end on the same build. Afterwards :meth:`applied` says what must be restored.
        """
        layout = Layout(self.settings, generation)
        fresh = secrets.token_hex(8)
        calls = [Call("initialise", [layout.meta(s)], [generation, fresh]) for s in range(self.settings.shards)]
        self._take(generation, layout, run(self.client, calls))

    def adopt(self, generation: str) -> None:
        """Work on an index that exists.

        Raises:
            IndexLost: it is missing, wholly or in part.
        """
        stamps = self.held(generation)
        whole = [stamp for stamp in stamps if stamp is not None]
        if len(whole) < len(stamps):
            raise IndexLost(f"{len(stamps) - len(whole)} of {len(stamps)} shards hold no index of generation {generation}")
        self._take(generation, Layout(self.settings, generation), whole)

    def _take(self, generation: str, layout: Layout, stamps: list[bytes]) -> None:
        for stamp in stamps:
            if stamp.rpartition(b" ")[0] != generation.encode():
                raise IndexLost(f"expected generation {generation}, found {stamp.decode()}")
        self.generation, self._layout, self._stamps, self._seen = generation, layout, stamps, {}

    def applied(self) -> dict[int, int]:
        """Next offset to index, for each partition that every shard knows. Raises IndexLost."""
        tables = []
        for shard in range(self.settings.shards):
            meta: dict[bytes, bytes] = self.client.hgetall(self._layout.meta(shard))  # type: ignore[assignment]
            if not self._stamps or meta.get(b"generation") != self._stamps[shard]:
                raise IndexLost(f"shard {shard} does not hold the adopted index of generation {self.generation}")
            tables.append({int(n[8:]): int(v) for n, v in meta.items() if n.startswith(b"applied:")})
        common = set.intersection(*(set(table) for table in tables))
        return {partition: min(table[partition] for table in tables) for partition in sorted(common)}

    def set_applied(self, offsets: Mapping[int, int]) -> None:
        """Advance the next offset to index of partitions; call it after the writes it speaks of. Lower values change nothing."""
        args = [item for partition, offset in offsets.items() for item in (partition, offset)]
        if args:
            run(self.client, [self._call("applied", s, [], *args) for s in range(self.settings.shards)])
            for partition, offset in offsets.items():
                self._seen[partition] = max(offset, self._seen.get(partition, 0))

    def check(self) -> None:
        """Cheap check, once a batch, that the index has not forgotten what this client told it.

        Raises:
            IndexRegressed: an applied offset went backwards. After the gap is indexed, :meth:`set_applied` heals it.
            IndexLost: the index is gone.
        """
        applied = self.applied()
        for partition, seen in sorted(self._seen.items()):
            if applied.get(partition, 0) < seen:
                raise IndexRegressed(f"partition {partition} was applied up to {seen}, Redis says {applied.get(partition, 0)}")

    def purge_other_generations(self) -> int:
        """Remove the keys of all other generations of this namespace; returns how many. Slow, interruptible, repeatable."""
        removed = 0
        batch: list[bytes] = []
        for name in self.client.scan_iter(match=self._layout.everything(), count=_PURGE_CHUNK):
            if not self._layout.is_ours(name):
                batch.append(name)
            if len(batch) >= _PURGE_CHUNK:
                removed, batch = removed + self._remove(batch), []
        return removed + self._remove(batch)

    def _remove(self, names: Sequence[bytes]) -> int:
        with self.client.pipeline() as pipe:
            for name in names:
                pipe.execute_command("UNLINK", name)
            return sum(pipe.execute()) if names else 0

    # Writing

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

        The same effective version again is applied again in full; a lower one, or a lower seller version, changes nothing
        and is ``SUPERSEDED``; an equal seller version with other content is applied and flagged.

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
        return self._call("upsert", shard, at, postings, key, change.effective_version, seller, offer.digest(), content, terms)

    def _call(self, script: str, shard: int, keys: Sequence[bytes], *args: str | bytes | int | float) -> Call:
        if not self._stamps:
            raise IndexLost("no generation was adopted yet")
        return Call(script, [self._layout.meta(shard), *keys], [self._stamps[shard], *args])

    # Reading

    def read(self, keys: Sequence[str]) -> list[StoredOffer | None]:
        """Offers and delete markers by key; ``None`` for what was never indexed. One script per shard."""
        results = self._by_shard("read", keys, lambda key: [self._layout.offer(key)])
        return [_stored(key, row[0]) for key, row in zip(keys, results, strict=True)]

    def candidates(self, offer: Offer, k: int) -> list[Candidate]:
        """The k best offers for one query; see :meth:`candidates_many`."""
        return self.candidates_many([offer], k)[0]

    def candidates_many(self, offers: Sequence[Offer], k: int) -> list[list[Candidate]]:
        """For each query the at most ``k`` indexed offers of highest score, best first, ties by key.

        Two round trips: document frequencies over all shards, then each shard's top k. The query itself and deleted
        offers are never among them. Scores are exact multiples of 2^-20.
        """
        if k < 1:
            return [[] for _ in offers]
        wanted = [query_terms(offer) for offer in offers]
        frequencies, documents = self._frequencies(sorted({term for terms in wanted for term in terms}))
        cut = self.settings.max_read if self.settings.idf == "live" else 2**31
        least = self.settings.min_score * UNIT * UNIT
        calls: list[Call] = []
        owners: list[int] = []
        for i, (offer, terms) in enumerate(zip(offers, wanted, strict=True)):
            chosen = plan({term: frequencies[term] for term in terms}, documents, self.settings)
            flat = [item for pair in chosen for item in pair]
            own = offer.key
            source = own[: own.index(":") + 1] if self.settings.exclude_same_source else ""
            for shard in range(self.settings.shards if chosen else 0):
                postings = self._layout.postings(shard)
                calls.append(self._call("search", shard, [], postings, own, source, k, least, cut, *flat))
                owners.append(i)
        found: list[list[tuple[int, bytes]]] = [[] for _ in offers]
        for i, row in zip(owners, run(self.client, calls), strict=True):
            found[i].extend((-int(row[j + 1]), row[j]) for j in range(0, len(row), 2))
        return [
            [Candidate(key.decode(), rank, -score / UNIT / UNIT) for rank, (score, key) in enumerate(sorted(rows)[:k], 1)]
            for rows in found
        ]

    def _frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        calls = [
            self._call("frequencies", shard, [], self._layout.postings(shard), *terms) for shard in range(self.settings.shards)
        ]
        totals = [sum(column) for column in zip(*run(self.client, calls), strict=True)]
        return dict(zip(terms, totals[1:], strict=True)), totals[0]

    def _by_shard(self, script: str, keys: Sequence[str], names: Any) -> list[list[Any]]:
        """Run a reading script over many offers, grouped by shard; the rows of each offer, in the order of ``keys``."""
        groups: dict[int, list[int]] = {}
        for i, key in enumerate(keys):
            groups.setdefault(self._layout.shard(key), []).append(i)
        calls, members = [], []
        for shard, group in groups.items():
            calls.append(self._call(script, shard, [name for i in group for name in names(keys[i])]))
            members.append(group)
        rows: list[list[Any]] = [[] for _ in keys]
        for group, result in zip(members, run(self.client, calls), strict=True):
            width = len(result) // len(group)
            for at, i in enumerate(group):
                rows[i] = result[at * width : (at + 1) * width]
        return rows


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
