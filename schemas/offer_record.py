"""The value of `catalog.offers`: a valid offer with what the index must know about it, to be rebuilt from it."""

from __future__ import annotations

from pydantic import Field

from schemas.events import Event, Natural, Position, Timestamp
from schemas.offer import Offer

HEADER_EFFECTIVE_VERSION = "samesku-effective-version"
"""On every record of `catalog.offers`, as decimal ASCII. A deleted offer is a null value (so that compaction removes
it), which can carry its version nowhere else: a rebuild inside `delete.retention.ms` restores the delete marker."""

HEADER_SELLER_VERSION = "samesku-seller-version"
"""The seller's own version of a delete, as decimal ASCII; absent when the seller gives none."""


class OfferRecord(Event):
    """One offer as it stands in the index. Kafka key: the offer's key, as in `catalog.changes`."""

    key: str
    offer: Offer
    effective_version: Natural = Field(description="offset of the change that wrote it")
    seller_version: Natural | None = None
    digest: str = Field(description="Offer.digest()")
    source: Position
    index_only: bool = False
    indexed_at: Timestamp
