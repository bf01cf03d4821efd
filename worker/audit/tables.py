"""The store's three tables: from which topic each is filled, how a record becomes a row, how rows lie. Pure.

A record that cannot be read becomes a row all the same, with its bytes in `raw` and the reason in `unreadable`: it is
in the same file as its neighbours, so that it is kept exactly once, as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
from pydantic import ValidationError

from schemas import topics
from schemas.decision import MatchDecision
from schemas.events import UnknownMajorVersion
from schemas.label import Label
from schemas.offer_record import HEADER_EFFECTIVE_VERSION, HEADER_SELLER_VERSION, OfferRecord
from worker.audit.columns import FIELDS, TIME, Row, row_of

if TYPE_CHECKING:
    # The package of the loop imports Kafka's client; readers of the store need none.
    from worker.stream.records import Record

MAX_REASON = 500


class Unreadable(Exception):
    """The record is not what its topic promises; `reason` is one word, for a metric's label."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}"[:MAX_REASON])


@dataclass(frozen=True)
class Table:
    """One table. Rows of a file are sorted by `key`, then offset; `blooms` are columns that are looked up by value."""

    name: str
    topic: str
    key: str
    fields: list[tuple[str, Any]]
    parse: Callable[[Record], Row]
    # Columns in which hardly any value occurs twice: a dictionary of them would only be a second copy.
    plain: frozenset[str] = frozenset()
    # Their values rise or share beginnings in the order of the rows.
    prefixed: frozenset[str] = frozenset()
    blooms: frozenset[str] = frozenset()
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        common = [
            ("partition", pa.int32()), ("offset", pa.int64()), ("published_at", pa.timestamp("ms", tz="UTC")),
            ("unreadable", pa.string()),
        ]  # fmt: skip
        object.__setattr__(self, "schema", pa.schema([*common, *self.fields]))

    def row(self, record: Record) -> Row:
        """The record as a row; never fails."""
        try:
            row = self.parse(record)
            reason = None
        except Unreadable as bad:
            row, reason = self._unread(record), str(bad)
        published = None
        if record.timestamp_ms is not None and record.timestamp_ms >= 0:
            published = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
        return {
            **row, "partition": record.partition, "offset": record.offset, "published_at": published,
            "unreadable": reason,
        }  # fmt: skip

    def _unread(self, record: Record) -> Row:
        row: Row = {name: None for name, _ in self.fields}
        row[self.key] = (record.key or b"").decode("utf-8", "replace")
        row["raw"] = record.value
        return row


def _event(record: Record, model: type[MatchDecision] | type[Label] | type[OfferRecord]) -> tuple[bytes, Any]:
    if record.value is None:
        raise Unreadable("no_value", "the record has no value")
    try:
        return record.value, model.model_validate_json(record.value)
    except UnknownMajorVersion as newer:
        raise Unreadable("unknown_major_version", str(newer)) from newer
    except ValidationError as error:
        # Never the input itself: a reason outlives an erasure.
        found = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)[:3])
        raise Unreadable("invalid", "; ".join(found)) from error


def _decision(record: Record) -> Row:
    data, _ = _event(record, MatchDecision)
    return row_of(data)


def _label(record: Record) -> Row:
    data, label = _event(record, Label)
    return {
        "pair_id": label.pair_id, "label_id": label.label_id, "verdict": label.verdict, "reviewer": label.reviewer,
        "labeled_at": label.labeled_at, "decision_id": label.decision_id, "first_digest": label.first_digest,
        "second_digest": label.second_digest, "raw": data,
    }  # fmt: skip


def _offer(record: Record) -> Row:
    headers: Mapping[str, bytes | None] = dict(record.headers)
    if record.value is None:
        return {
            "key": (record.key or b"").decode("utf-8", "replace"), "digest": None, "deleted": True, "erased": False,
            "effective_version": _number(headers.get(HEADER_EFFECTIVE_VERSION)),
            "seller_version": _number(headers.get(HEADER_SELLER_VERSION)), "indexed_at": None, "content": None,
            "raw": None,
        }  # fmt: skip
    data, stored = _event(record, OfferRecord)
    if stored.offer.digest() != stored.digest:
        raise Unreadable("digest_mismatch", f"the content of {stored.key} does not hash to {stored.digest}")
    return {
        "key": stored.key, "digest": stored.digest, "deleted": False, "erased": False,
        "effective_version": stored.effective_version, "seller_version": stored.seller_version,
        "indexed_at": stored.indexed_at, "content": orjson.dumps(orjson.loads(data)["offer"]).decode(), "raw": None,
    }  # fmt: skip


def _number(value: bytes | None) -> int | None:
    return int(value) if value is not None and value.isdigit() and len(value) < 19 else None


_HASHES = frozenset({"decision_id", "previous_decision_id"})

DECISIONS = Table(
    "decisions", topics.DECISIONS, "pair_id", FIELDS, _decision,
    plain=_HASHES | {"sentence", "rest", "offset", "published_at", "decided_at", "source_offset"},
    prefixed=frozenset({"pair_id"}),
)  # fmt: skip
OFFERS = Table(
    "offers", topics.OFFERS, "key",
    [
        ("key", pa.string()), ("digest", pa.string()), ("deleted", pa.bool_()), ("erased", pa.bool_()),
        ("effective_version", pa.int64()), ("seller_version", pa.int64()), ("indexed_at", TIME),
        ("content", pa.string()), ("raw", pa.binary()),
    ],
    _offer,
    plain=frozenset({"offset", "published_at", "indexed_at", "effective_version"}),
    prefixed=frozenset({"key"}),
    blooms=frozenset({"digest"}),
)  # fmt: skip
LABELS = Table(
    "labels", topics.LABELS, "pair_id",
    [
        ("pair_id", pa.string()), ("label_id", pa.string()), ("verdict", pa.string()), ("reviewer", pa.string()),
        ("labeled_at", TIME), ("decision_id", pa.string()), ("first_digest", pa.string()),
        ("second_digest", pa.string()), ("raw", pa.binary()),
    ],
    _label,
    plain=frozenset({"label_id", "decision_id", "raw"}),
)  # fmt: skip

TABLES: dict[str, Table] = {table.name: table for table in (DECISIONS, OFFERS, LABELS)}
