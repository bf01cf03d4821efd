"""What goes into the index and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

import orjson

from schemas.offer import Offer


class Write(Enum):
    """What became of a change.

    ``SAME`` is the change that wrote the current state, delivered again: it is processed again in full.
    ``UNKNOWN`` is a delete of what was not there.
    """

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    UNKNOWN = "unknown"
    SAME = "same"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Upsert:
    offer: Offer
    effective_version: int


@dataclass(frozen=True)
class Delete:
    key: str
    effective_version: int
    seller_version: int | None = None


@dataclass(frozen=True)
class Written:
    """The outcome of an upsert or delete.

    Attributes:
        standing_version: the effective version that the index holds afterwards.
        equal_version_conflict: the seller gave the version of the stored content again with other content.
        known: for a delete (also a repeated one): whether there was an offer to delete.
        by_seller_version: superseded because of the seller's own version, not of the offset.
    """

    key: str
    status: Write
    standing_version: int
    equal_version_conflict: bool = False
    known: bool = True
    by_seller_version: bool = False

    @property
    def applied(self) -> bool:
        """Whether the change is what the index now holds."""
        return self.status is not Write.SUPERSEDED


@dataclass(frozen=True)
class StoredOffer:
    """An offer as indexed; ``content`` is its JSON as written, empty for a deleted one."""

    key: str
    effective_version: int
    seller_version: int | None
    digest: str
    deleted: bool
    content: bytes

    @property
    def offer(self) -> Offer:
        """Raises ``ValueError`` for a deleted offer."""
        if self.deleted:
            raise ValueError(f"{self.key} is deleted")
        return Offer.model_validate(orjson.loads(self.content))


@dataclass(frozen=True)
class Candidate:
    """An offer named for a query. ``rank`` counts from 1; ``score`` is BM25 with boosts."""

    key: str
    rank: int
    score: float


@dataclass(frozen=True)
class Standing:
    """A committed decision of a pair, in pair order (the smaller key first).

    ``query_first``: the changed offer, from whose side the pair was judged, is the pair's first.
    ``order`` is the sort key of ``schemas.decision.standing_order`` (numbers, texts, tuples of them): of two
    decisions of a pair the greater stands. Left empty, the versions order them.
    """

    decision_id: str
    verdict: Literal["match", "no_match", "review", "retracted"]
    versions: tuple[int, int]
    digests: tuple[str, str]
    bundle: str
    prompt: str
    policy: str
    query_first: bool = True
    order: tuple[Any, ...] = ()

    def dumps(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def loads(cls, data: bytes) -> Standing:
        raw: dict[str, Any] = orjson.loads(data)
        raw.update((name, _tuples(raw[name])) for name in ("versions", "digests", "order"))
        return cls(**raw)


def _tuples(value: Any) -> Any:
    """JSON has lists only."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True)
class LinkState:
    """A link of an offer: tokens of attempts not yet settled, and the last committed decision, if it links."""

    tokens: frozenset[str] = field(default_factory=frozenset)
    standing: Standing | None = None

    @property
    def bound(self) -> bool:
        """Whether a label made the standing decision (`schemas.decision.binding` is the third part of its order)."""
        return self.standing is not None and len(self.standing.order) > 2 and self.standing.order[2] > 0

    @property
    def pending(self) -> bool:
        """While pending, the standing decision is only the *previous* one: not to be served or reused."""
        return bool(self.tokens)


@dataclass(frozen=True)
class HeldLabel:
    """What somebody said of two offers, as the index keeps it: with which contents, and where in `match.labels`."""

    label_id: str
    verdict: Literal["match", "no_match"]
    by: Literal["person", "teacher"]
    digests: tuple[str, str]
    """In the pair's order."""
    topic: str
    partition: int
    offset: int
    decision_id: str | None = None
    seen_verdict: str | None = None

    def dumps(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def loads(cls, data: bytes) -> HeldLabel:
        raw: dict[str, Any] = orjson.loads(data)
        # A later version may say more; what is needed here does not change.
        known = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
        return cls(**{**known, "digests": _tuples(raw["digests"])})


@dataclass(frozen=True)
class Link:
    """An attempt to judge a pair, identified by its token (see :meth:`Index.link`)."""

    a: str
    b: str
    token: str


@dataclass(frozen=True)
class Settle:
    """The committed outcome of an attempt (see :meth:`Index.settle`)."""

    a: str
    b: str
    token: str
    standing: Standing | None
