"""From a row to the change that the worker will accept, through the very door that the worker has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from samesku.load.rows import Row
from schemas.change import CatalogChange, bad_event, parse_change
from schemas.columns import offer_from_record
from schemas.events import BadEvent, dumps


@dataclass(frozen=True)
class Ready:
    """A change fit to be sent; `key` and `value` are its Kafka record."""

    line: int
    key: bytes
    value: bytes


@dataclass(frozen=True)
class Reject:
    """A row that cannot be used: `reason` is one of `schemas.events.REASONS`, `row` the row as it is in the file."""

    line: int
    reason: str
    detail: str
    row: str


def to_changes(rows: Iterable[Row], source: str, index_only: bool = False) -> Iterator[Ready | Reject]:
    """Each row as an upsert, or why not. What passes here is not dead-lettered for its content later."""
    for row in rows:
        try:
            yield _change(row, source, index_only)
        except BadEvent as bad:
            yield Reject(row.line, bad.reason, bad.detail, row.text)


def _change(row: Row, source: str, index_only: bool) -> Ready:
    if row.record is None:
        reason, detail = row.problem or ("bad_value", "the row is empty")
        raise BadEvent(reason, detail)
    try:
        offer = offer_from_record(row.record, source)
        change = CatalogChange(
            op="upsert", source=offer.source, offer_id=offer.offer_id, offer=offer, index_only=index_only
        )
    except ValidationError as error:
        raise bad_event(error) from error
    key, value = change.key.encode("utf-8"), dumps(change)
    parse_change(key, value)
    return Ready(row.line, key, value)
