"""The contents of offers by digest: what a decision was about, long after the listing has changed."""

from __future__ import annotations

from collections.abc import Collection

import orjson

from schemas.offer import Offer
from worker.audit import sql
from worker.audit.columns import Row
from worker.audit.store import AuditStore
from worker.audit.tables import OFFERS

# Digests asked for in one query.
_CHUNK = 10_000


class Contents:
    """Reads contents from an audit store. The digest is `Offer.digest()`, as in `Side.digest`."""

    def __init__(self, root: str | AuditStore) -> None:
        self._store = root if isinstance(root, AuditStore) else AuditStore(root)

    def get(self, digests: Collection[str]) -> dict[str, Offer]:
        """The offers by digest; those that are not there, or erased, are left out. Raises StoreChanged."""
        return {
            row["digest"]: Offer.model_validate(orjson.loads(row["content"]))
            for row in self._rows(digests)
            if row["content"] is not None
        }

    def erased(self, digests: Collection[str]) -> set[str]:
        """Those of the digests whose contents were erased on request."""
        log = self._store.erasures()
        if not log:
            return set()
        return {digest for digest in digests if digest in log.digests} | {
            row["digest"] for row in self._rows(digests) if row["erased"]
        }

    def of_digests(self, key: str, digests: Collection[str]) -> tuple[dict[str, Offer], set[str]]:
        """As `get` and `erased`, of contents of one offer: quicker, because the store is sorted by offer."""
        rows = self._store.rows(OFFERS, "unreadable IS NULL AND (content IS NOT NULL OR erased)", key=key)
        wanted = {row["digest"]: row for row in rows if row["digest"] in digests}
        log = self._store.erasures()
        found = {
            digest: Offer.model_validate(orjson.loads(row["content"]))
            for digest, row in wanted.items()
            if row["content"] is not None
        }
        gone = {
            digest for digest in digests if digest in log.digests or (digest in wanted and wanted[digest]["erased"])
        }
        return found, gone - found.keys()

    def of_offer(self, key: str) -> list[Row]:
        """Every version of one offer that the store knows, in their order: rows of the table `offers`."""
        rows = self._store.rows(OFFERS, "unreadable IS NULL", key=key)
        return sorted(rows, key=lambda row: (row["effective_version"] or 0, row["offset"]))

    def _rows(self, digests: Collection[str]) -> list[Row]:
        wanted = sorted(set(digests))
        rows: list[Row] = []
        for start in range(0, len(wanted), _CHUNK):
            # Written out, so that the readers of the files can ask their Bloom filters.
            named = ", ".join(sql.literal(digest) for digest in wanted[start : start + _CHUNK])
            rows += self._store.rows(OFFERS, f"digest IN ({named}) AND (content IS NOT NULL OR erased)")
        return rows
