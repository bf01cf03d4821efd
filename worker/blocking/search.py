"""Candidates: BM25 over trigrams and identifiers, scored in Redis. See :mod:`worker.blocking.terms` for the
formula."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.offer import Offer
from worker.blocking.generations import Generations
from worker.blocking.records import Candidate
from worker.blocking.scripts import Call, run
from worker.blocking.terms import UNIT, plan, query_terms


class Search(Generations):
    """The part of :class:`worker.blocking.index.Index` that looks offers up."""

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
            [
                Candidate(key.decode(), rank, -score / UNIT / UNIT)
                for rank, (score, key) in enumerate(sorted(rows)[:k], 1)
            ]
            for rows in found
        ]

    def frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        """How many offers hold each term, and how many offers there are."""
        return self._frequencies(sorted(set(terms)))

    def _frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        calls = [
            self._call("frequencies", shard, [], self._layout.postings(shard), *terms)
            for shard in range(self.settings.shards)
        ]
        totals = [sum(column) for column in zip(*run(self.client, calls), strict=True)]
        return dict(zip(terms, totals[1:], strict=True)), totals[0]
