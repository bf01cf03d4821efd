"""How the index scores, prunes and is laid out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Self

from schemas import sections

# Increased when the stored form changes, so that an old index is rebuilt and never misread.
FORMAT_VERSION = 2

_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class BlockingSettings:
    """Settings of the index.

    ``shards``, ``k1``, ``b`` and ``average_length`` shape what Redis holds: changing one makes another :attr:`format`,
    hence another generation. The others may change at any time.

    Attributes:
        namespace: first part of every Redis key.
        shards: hash tags over which offers are spread. One server is best served by 1; a cluster needs several per
            node.
        k1: BM25 term saturation (Robertson & Zaragoza 2009; the usual value).
        b: BM25 length normalisation.
        average_length: trigrams in an average offer. A constant and not the running mean, so that stored scores never
            need rewriting; 46 is the mean of Abt-Buy's titles, and recall moved by less than 0.3 points between 30
            and 60.
        idf: ``live`` reads document frequencies from the index; ``fixed`` gives every term the same, so that a score
            depends on the two offers alone (reproducible whatever else is indexed, at a cost in recall). Nothing is
            pruned then, so a look-up takes seconds at some 100,000 offers: for tests and small catalogues.
        fixed_idf: that constant.
        identifier_boost: factor on the idf of an equal GTIN or code.
        max_posting: a trigram in more offers than this is not looked up.
        max_read: postings read for one look-up per shard set, rarest terms first. It bounds the time of a look-up.
        min_score: candidates below are dropped.
        exclude_same_source: never name an offer of the query's own seller. Off: sellers list duplicates, and a
            marketplace wants to know.
        marker_days: how long the marker of a deleted offer is kept; ``None`` keeps it for ever. It must outlive every
            writer that could still hold an older change.
    """

    namespace: str = "samesku"
    shards: int = 1
    k1: float = 1.2
    b: float = 0.75
    average_length: float = 46.0
    idf: Literal["live", "fixed"] = "live"
    fixed_idf: float = 4.0
    identifier_boost: float = 3.0
    max_posting: int = 2_000
    max_read: int = 10_000
    min_score: float = 0.0
    exclude_same_source: bool = False
    marker_days: float | None = None

    def __post_init__(self) -> None:
        if not _NAMESPACE.fullmatch(self.namespace):
            raise ValueError(f"blocking.namespace: {self.namespace!r} (letters, digits, '_', '.', '-')")
        for name, low in (("shards", 1), ("max_posting", 1), ("max_read", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"blocking.{name}: {getattr(self, name)!r} (at least {low})")
        if not (self.k1 >= 0 and 0 <= self.b <= 1 and self.average_length > 0):
            raise ValueError(
                f"blocking: k1 {self.k1}, b {self.b}, average_length {self.average_length} are no BM25 parameters"
            )
        if self.idf not in ("live", "fixed"):
            raise ValueError(f"blocking.idf: {self.idf!r} (live or fixed)")
        if self.identifier_boost < 0 or self.fixed_idf <= 0:
            raise ValueError("blocking.identifier_boost must not be negative, blocking.fixed_idf must be positive")

    @classmethod
    def from_sections(cls, blocking: sections.BlockingSettings, redis: sections.RedisSettings) -> Self:
        """The settings of the index as the project's settings give them."""
        return cls(namespace=redis.namespace, **blocking.model_dump(exclude={"k"}))

    @property
    def format(self) -> str:
        """The stored form in one word: format version, shards and what is baked into stored scores."""
        return f"f{FORMAT_VERSION}s{self.shards}k{self.k1:g}b{self.b:g}l{self.average_length:g}"
