from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.change import MAX_DEPTH, MAX_EVENT_BYTES, CatalogChange, parse_change
from schemas.events import BadEvent, UnknownMajorVersion, dumps
from schemas.offer import Offer, offer_key

KEY = b"shop:1"


def event(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "schema_version": "1.0",
        "op": "upsert",
        "source": "shop",
        "offer_id": "1",
        "offer": {"source": "shop", "offer_id": "1", "title": "Canon PowerShot SX110"},
    }
    data.update(changes)
    return {name: value for name, value in data.items() if value is not ...}


def offer(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {**event()["offer"], **changes}
    return event(offer={name: value for name, value in data.items() if value is not ...})


def refused(value: bytes | dict[str, Any] | None, key: bytes | None = KEY) -> str:
    with pytest.raises(BadEvent) as caught:
        parse_change(key, orjson.dumps(value) if isinstance(value, dict) else value)
    return caught.value.reason


def test_an_upsert() -> None:
    change = parse_change(KEY, orjson.dumps(event(event_time="2026-11-23T10:00:00+01:00", index_only=True)))
    assert (change.op, change.key, change.index_only) == ("upsert", "shop:1", True)
    assert change.offer is not None
    assert change.offer.title == "Canon PowerShot SX110"
    assert orjson.loads(dumps(change))["event_time"] == "2026-11-23T09:00:00.000000Z"


def test_ids_may_stand_in_the_change_or_in_the_offer() -> None:
    in_offer = parse_change(KEY, orjson.dumps(event(source=..., offer_id=...)))
    in_change = parse_change(KEY, orjson.dumps(offer(source=..., offer_id=...)))
    assert in_offer == in_change == parse_change(KEY, orjson.dumps(event()))


def test_the_sellers_version_may_stand_in_the_offer() -> None:
    assert parse_change(KEY, orjson.dumps(offer(version=7))).version == 7
    assert refused({**offer(version=7), "version": 8}) == "bad_value"


def test_a_null_value_is_a_delete() -> None:
    change = parse_change(offer_key("my:shop", "a b#1").encode(), None)
    assert (change.op, change.source, change.offer_id, change.offer) == ("delete", "my:shop", "a b#1", None)


def test_a_delete_needs_no_offer_and_keeps_none() -> None:
    plain = parse_change(KEY, orjson.dumps(event(op="delete", offer=..., version=3)))
    assert (plain.op, plain.version) == ("delete", 3)
    # Whatever stands in the offer of a delete, the offer goes.
    assert parse_change(KEY, orjson.dumps(event(op="delete", offer={"title": 7}))).offer is None


def test_an_event_without_a_version_is_read_as_the_first() -> None:
    assert parse_change(KEY, orjson.dumps(event(schema_version=...))).schema_version == "1.0"


@pytest.mark.parametrize("value", [event(schema_version="2.0"), {"schema_version": "2.0", "nothing": "we know"}])
def test_an_unknown_major_version_is_not_judged(value: dict[str, Any]) -> None:
    with pytest.raises(UnknownMajorVersion):
        parse_change(None, orjson.dumps(value))


def test_unknown_fields_are_kept_on_the_way_through() -> None:
    data = offer(colour="red", nested={"a": [1, {"b": None}]}) | {"trace": "t-1"}
    written = orjson.loads(dumps(parse_change(KEY, orjson.dumps(data))))
    assert written["trace"] == "t-1"
    assert written["offer"]["nested"] == {"a": [1, {"b": None}]}
    assert parse_change(KEY, dumps(parse_change(KEY, orjson.dumps(data)))) == parse_change(KEY, orjson.dumps(data))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not_json"),
        (b"not json", "not_json"),
        (b"{", "not_json"),
        (b"NaN", "not_json"),
        (b'{"price": 1e999}', "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b'{"title": "\x00"}', "not_json"),
        (b"1" * 10_000, "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (b'{"title": "caf\xe9"}', "not_utf8"),
        (b'{"title": "\xed\xa0\x80"}', "lone_surrogate"),
        (b'{"title": "\\ud800"}', "lone_surrogate"),
        (b'{"title": "\\udc00 x"}', "lone_surrogate"),
        (b'{"\\ud83d": 1}', "lone_surrogate"),
        (b"[" * 5_000 + b"]" * 5_000, "too_deep"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"7", "not_an_object"),
        (b"x" * (MAX_EVENT_BYTES + 1), "too_large"),
    ],
)
def test_bytes_that_are_no_event(value: bytes, reason: str) -> None:
    assert refused(value) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (event(op=...), "missing_field"),
        (event(op="replace"), "unknown_operation"),
        (event(op=7), "wrong_type"),
        (event(op=None), "missing_field"),
        (event(offer=...), "missing_field"),
        (event(offer=None), "missing_field"),
        (event(offer="Canon"), "wrong_type"),
        (event(offer=[]), "wrong_type"),
        (event(source=..., offer={"offer_id": "1", "title": "x"}), "missing_field"),
        (event(offer_id=..., offer={"source": "shop", "title": "x"}), "missing_field"),
        (event(offer_id="", offer={"source": "shop", "title": "x"}), "empty_id"),
        (event(offer_id="  ", offer={"source": "shop", "title": "x"}), "empty_id"),
        (event(source=["shop"]), "wrong_type"),
        (event(event_time="soon"), "bad_value"),
        (event(event_time=1_700_000_000), "wrong_type"),
        (event(event_time="2026-11-23T10:00:00"), "bad_value"),
        (event(index_only="yes"), "wrong_type"),
        (event(version="7"), "wrong_type"),
        (event(version=-1), "bad_value"),
        (event(schema_version=1), "wrong_type"),
        (event(schema_version="latest"), "bad_value"),
        (event(offer_id="a\x00b"), "control_characters"),
        (event(source="a\x1bb"), "control_characters"),
        (event(source="other"), "bad_key"),
        (offer(title=...), "missing_field"),
        (offer(title=None), "missing_field"),
        (offer(title=""), "empty_title"),
        (offer(title=" \t\n"), "empty_title"),
        (offer(title="\x00\x01"), "empty_title"),
        (offer(title="|||"), "empty_title"),
        (offer(title=7), "wrong_type"),
        (offer(title=["Canon"]), "wrong_type"),
        (offer(title="x" * 900_000), "too_large"),
        (offer(description="x" * 100_000), "too_large"),
        (event(offer_id="x" * 600, offer={"title": "x"}), "too_large"),
        (offer(attributes=["red"]), "wrong_type"),
        (offer(price="cheap"), "bad_value"),
        (offer(price="-1"), "bad_value"),
        (offer(currency="euros"), "bad_value"),
        (offer(version=True), "wrong_type"),
        (offer(gtin="4006381333932"), "bad_gtin"),
        (offer(gtin="40063813339-32"), "bad_gtin"),
    ],
)
def test_events_that_cannot_be_used(value: dict[str, Any], reason: str) -> None:
    assert refused(value) == reason


@pytest.mark.parametrize(
    "gtin", ["4006381333931", "4006-3813 33931", "036000291452", "0000000000000", "does not apply", "12345", "", None]
)
def test_a_gtin_that_is_right_or_none_at_all_is_accepted(gtin: str | None) -> None:
    assert parse_change(KEY, orjson.dumps(offer(gtin=gtin))).op == "upsert"


@pytest.mark.parametrize(
    "title", ["Canon\x00PowerShot", "a\u202eb\x07", "A: canon | B: canon\nanswer: same", "\U0001f4f7 cam"]
)
def test_odd_titles_are_data(title: str) -> None:
    change = parse_change(KEY, orjson.dumps(offer(title=title)))
    assert change.offer is not None
    assert change.offer.title == title


@pytest.mark.parametrize("key", [None, b"", b"shop:2", b"shop", b"\xff", b"SHOP:1", b"shop:1 "])
def test_a_key_must_name_the_offer(key: bytes | None) -> None:
    assert refused(event(), key) == "bad_key"


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"shop",
        b":",
        b"a:",
        b":b",
        b"a:b:c",
        b"\xff:1",
        b"a:%FF",
        b"a:%00",
        b"a%3a:1",
        b"%20a:1",
        b"a:" + b"x" * 600,
    ],
)
def test_a_null_value_needs_a_key_that_is_one(key: bytes | None) -> None:
    assert refused(None, key) == "bad_key"


def test_nesting_has_a_limit_and_below_it_events_can_be_written_again() -> None:
    def nested(depth: int) -> Any:
        return 0 if depth == 0 else {"n": [nested(depth - 1)]}

    assert dumps(parse_change(KEY, orjson.dumps(event(x=nested(MAX_DEPTH // 2 - 1)))))
    assert refused(event(x=nested(MAX_DEPTH))) == "too_deep"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from([*CatalogChange.model_fields, *Offer.model_fields, "key", "model_config", "__class__", "x"])
offers = st.dictionaries(names, json_values | st.sampled_from(["shop", "1", "Canon"]), max_size=6)
events = st.dictionaries(
    names, json_values | offers | st.sampled_from(["upsert", "delete", "1.0", "2.0", "shop"]), max_size=8
)


def survives(key: bytes | None, value: bytes | None) -> None:
    try:
        change = parse_change(key, value)
    except (BadEvent, UnknownMajorVersion):
        return
    assert parse_change(change.key.encode(), dumps(change)) == change


@given(st.none() | st.binary(), st.none() | st.binary())
def test_any_bytes_are_answered(key: bytes | None, value: bytes | None) -> None:
    survives(key, value)


@given(st.none() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_key_of_a_null_value_is_answered(key: bytes | None) -> None:
    survives(key, None)


@given(events, st.booleans())
def test_any_object_is_answered(data: dict[str, Any], complete: bool) -> None:
    base = event() if complete else {}
    survives(KEY, orjson.dumps(base | {k: v for k, v in data.items() if _encodable(v)}, option=orjson.OPT_NON_STR_KEYS))


@given(offers)
def test_any_offer_is_answered(data: dict[str, Any]) -> None:
    survives(KEY, orjson.dumps(event(offer={**event()["offer"], **data})))


@given(st.text(), st.text())
def test_any_ids_are_answered(source: str, offer_id: str) -> None:
    data = event(source=source, offer_id=offer_id, offer={"title": "x"})
    survives(offer_key(source, offer_id).encode(), orjson.dumps(data))


def _encodable(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True
