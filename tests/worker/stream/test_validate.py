from __future__ import annotations

import orjson
import pytest

from schemas.events import UnknownMajorVersion
from worker.stream.records import Record
from worker.stream.validate import validate


def record(value: object, key: bytes | None = b"s:1") -> Record:
    return Record("t", 0, 5, key, value if isinstance(value, bytes | None) else orjson.dumps(value))


UPSERT = {"op": "upsert", "offer": {"source": "s", "offer_id": "1", "title": "sony"}}


def test_a_change_names_its_offer() -> None:
    seen = validate(record(UPSERT))
    assert seen.refusal is None
    assert seen.change is not None
    assert (seen.change.key, seen.identity, seen.partition, seen.offset) == ("s:1", b"s:1", 0, 5)


def test_a_refusal_has_its_reason_and_names_no_offer() -> None:
    seen = validate(record(b"{"))
    assert seen.change is None
    assert seen.refusal is not None
    assert (seen.refusal.reason, seen.identity) == ("not_json", None)


def test_the_version_beside_the_offer_counts() -> None:
    seen = validate(record({**UPSERT, "version": 9}))
    assert seen.change is not None
    assert seen.change.offer is not None
    assert seen.change.offer.version == 9


def test_a_null_value_is_a_delete() -> None:
    seen = validate(record(None))
    assert seen.change is not None
    assert (seen.change.op, seen.change.offer) == ("delete", None)


def test_an_unknown_major_version_is_nobodys_fault() -> None:
    with pytest.raises(UnknownMajorVersion):
        validate(record({**UPSERT, "schema_version": "2.0"}))
