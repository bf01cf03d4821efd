"""What the loader sends, the worker accepts; what it rejects says why."""

from __future__ import annotations

import pytest

from samesku.load.changes import Ready, Reject, to_changes
from samesku.load.rows import Row
from schemas.change import parse_change
from schemas.events import Reason


def one(record: dict[str, object] | None, index_only: bool = False) -> Ready | Reject:
    row = Row(7, "as it was", record, None if record is not None else (Reason.NOT_JSON, "no"))
    return next(to_changes([row], "shop", index_only))


def test_a_row_becomes_an_upsert_that_passes_the_workers_door() -> None:
    ready = one({"sku": "a:1", "name": "Lamp", "mpn": "X-1", "price": "1.299,00 €"}, index_only=True)
    assert isinstance(ready, Ready)
    change = parse_change(ready.key, ready.value)
    assert (change.key, change.op, change.index_only) == ("shop:a%3A1", "upsert", True)
    assert change.offer is not None
    assert (change.offer.price, change.offer.currency, change.offer.model_number) == ("1299.00", "EUR", "X-1")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, "not_json"),
        ({"title": "Lamp"}, "missing_field"),
        ({"id": 1}, "missing_field"),
        ({"id": 1, "title": "!!!"}, "empty_title"),
        ({"id": 1, "title": "Lamp", "ean": "4006381333932"}, "bad_gtin"),
        ({"id": "a\x07", "title": "Lamp"}, "control_characters"),
        ({"id": 1, "title": "x" * 2_001}, "too_large"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_with_its_line(record: dict[str, object] | None, reason: str) -> None:
    reject = one(record)
    assert isinstance(reject, Reject)
    assert (reject.line, reject.reason, reject.row) == (7, reason, "as it was")
