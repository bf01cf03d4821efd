"""Blocking: the Redis index that names, for a changed offer, the offers it could match (decision 11)."""

from worker.blocking.errors import BlockingError, IndexLost, IndexRegressed, UnfitRedis
from worker.blocking.index import Index
from worker.blocking.records import (
    Candidate,
    Delete,
    Link,
    LinkState,
    Settle,
    Standing,
    StoredOffer,
    Upsert,
    Write,
    Written,
)
from worker.blocking.settings import BlockingSettings

__all__ = [
    "BlockingError",
    "BlockingSettings",
    "Candidate",
    "Delete",
    "Index",
    "IndexLost",
    "IndexRegressed",
    "Link",
    "LinkState",
    "Settle",
    "Standing",
    "StoredOffer",
    "UnfitRedis",
    "Upsert",
    "Write",
    "Written",
]
