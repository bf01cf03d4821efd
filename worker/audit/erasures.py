"""Which offers' text was erased, and what is left of a row then. The log itself holds no text.

An erasure speaks of contents by digest, and of everything of the offer until that moment: so a sink that has not read
so far yet keeps no text either, and reading the topics again brings none back. What the seller publishes later is new.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from schemas.events import Timestamp
from schemas.offer import split_pair
from worker.audit.columns import Row
from worker.audit.folder import Folder
from worker.audit.layout import ERASURES
from worker.audit.tables import DECISIONS, LABELS, OFFERS, Table

ERASED = "[erased]"
"""Stands where a text was."""


class Erasure(BaseModel):
    """One entry of the log."""

    model_config = ConfigDict(frozen=True)

    erasure_id: str
    offer_key: str
    digests: list[str] = Field(description="contents of the offer that were known then")
    erased_at: Timestamp
    by: str
    reason: str


class Erasures:
    """All entries of the log, ready to be asked."""

    def __init__(self, entries: Iterable[Erasure]) -> None:
        self.entries = sorted(entries, key=lambda each: (each.erased_at, each.erasure_id))
        self.digests = {digest: each.offer_key for each in self.entries for digest in each.digests}
        self._until: dict[str, datetime] = {each.offer_key: each.erased_at for each in self.entries}

    def __bool__(self) -> bool:
        return bool(self.entries)

    def covers(self, key: str, digest: str | None, at: datetime | None) -> bool:
        """Whether this content of an offer, in an event of that time, is erased."""
        if digest is not None and digest in self.digests:
            return True
        until = self._until.get(key)
        return until is not None and (at is None or at <= until)

    def blanked(self, table: Table, row: Row) -> Row:
        """The row without what was erased; the row itself if nothing was."""
        if not self.entries:
            return row
        if row["unreadable"] is not None:
            return self._unread(table, row)
        if table is OFFERS:
            if row["content"] is None or not self.covers(row["key"], row["digest"], row["indexed_at"]):
                return row
            return {**row, "content": None, "raw": None, "erased": True}
        if table is DECISIONS:
            return self._decision(row)
        return row

    def _decision(self, row: Row) -> Row:
        keys = dict(zip(("first", "second"), split_pair(row["pair_id"]), strict=True))
        gone = {key for side, key in keys.items() if self.covers(key, row[f"{side}_digest"], row["decided_at"])}
        if not gone:
            return row
        quotes = row["quotes"]
        if quotes is not None:
            quotes = [{**each, "text": ERASED if each["offer"] in gone else each["text"]} for each in quotes]
        # The sentence quotes both listings; unknown fields may hold anything.
        sentence = None if row["sentence"] is None else ERASED
        return {**row, "sentence": sentence, "quotes": quotes, "rest": _harmless(row), "raw": None}

    def _unread(self, table: Table, row: Row) -> Row:
        """Nobody knows what bytes say that cannot be read; by their Kafka key they are of the erased offer."""
        if table is LABELS:
            return row
        key = row[table.key]
        names = key.split("#") if table is DECISIONS else [key]
        if row["raw"] is None or not any(self.covers(name, None, row["published_at"]) for name in names):
            return row
        return {**row, "raw": None}


def read_erasures(folder: Folder) -> Erasures:
    """The log of a store."""
    names = [name for name in folder.names(ERASURES) if name.endswith(".json")]
    return Erasures(Erasure.model_validate_json(folder.read(f"{ERASURES}/{name}")) for name in names)


def _harmless(row: Row) -> str | None:
    """`rest` if it only says which known fields an older writer left out."""
    rest: str | None = row["rest"]
    return rest if rest is not None and '"+"' not in rest and '"="' not in rest else None
