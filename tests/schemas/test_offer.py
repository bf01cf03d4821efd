from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.offer import (
    MAX_FIELD_CHARS,
    MAX_ID_CHARS,
    MAX_TITLE_CHARS,
    Offer,
    offer_key,
    pair_id,
    split_key,
    split_pair,
)

# Any text an id may be, lone surrogates excepted: those are refused before an offer is made.
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
AWKWARD = st.text(st.sampled_from("%:#ab4 1\u3000\u00e9\n\x7f"), min_size=1, max_size=12)


def offer(**fields: Any) -> Offer:
    return Offer.model_validate({"offer_id": "1", "source": "shop", "title": "Canon EOS", **fields})


@given(ids | AWKWARD, ids | AWKWARD)
def test_a_key_gives_back_source_and_id(source: str, offer_id: str) -> None:
    key = offer_key(source, offer_id)
    assert split_key(key) == (source, offer_id)
    assert key.count(":") == 1
    assert "#" not in key
    assert not any(char.isspace() or ord(char) < 32 for char in key)


@given(st.tuples(AWKWARD, AWKWARD), st.tuples(AWKWARD, AWKWARD))
def test_different_offers_have_different_keys(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (offer_key(*one) == offer_key(*other)) == (one == other)


def test_a_key_reads_as_its_parts() -> None:
    assert offer_key("shop", "A-1") == "shop:A-1"
    assert offer_key("my shop", "50% #1:2") == "my%20shop:50%25%20%231%3A2"
    assert offer_key("a", "\u3000") == "a:%E3%80%80"


@pytest.mark.parametrize("text", ["", "shop", ":1", "shop:", "a:b:c", "shop:a b", "shop:%4", "shop:a#b", "a:%FF"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an offer key|codec"):
        split_key(text)


@given(ids | AWKWARD, ids | AWKWARD, ids | AWKWARD, ids | AWKWARD)
def test_a_pair_has_one_name_whichever_offer_comes_first(s1: str, i1: str, s2: str, i2: str) -> None:
    one, other = offer_key(s1, i1), offer_key(s2, i2)
    assert pair_id(one, other) == pair_id(other, one)
    assert split_pair(pair_id(one, other)) == tuple(sorted((one, other)))


@pytest.mark.parametrize("text", ["", "a:1", "#b:1", "a:1#", "a:1#b:1#c:1"])
def test_what_is_no_pair(text: str) -> None:
    with pytest.raises(ValueError, match="not a pair id"):
        split_pair(text)


def test_numbers_become_text_and_unknown_fields_stay() -> None:
    found = offer(offer_id=7, price=129.5, gtin=4006381333931, stock={"berlin": 3})
    assert (found.offer_id, found.price, found.gtin) == ("7", "129.5", "4006381333931")
    assert found.key == "shop:7"
    assert found.model_dump(exclude_none=True)["stock"] == {"berlin": 3}


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "   "},
        {"title": "x" * (MAX_TITLE_CHARS + 1)},
        {"title": None},
        {"title": ["Canon"]},
        {"offer_id": ""},
        {"offer_id": "  "},
        {"offer_id": "x" * (MAX_ID_CHARS + 1)},
        {"offer_id": True},
        {"offer_id": "a\x00b"},
        {"source": "a\nb"},
        {"price": "1,299.00"},
        {"price": "-5"},
        {"price": "12.1234567"},
        {"currency": "eur"},
        {"currency": "EURO"},
        {"description": "x" * (MAX_FIELD_CHARS + 1)},
        {"attributes": "red"},
        {"version": -1},
        {"version": "3"},
        {"version": True},
    ],
)
def test_what_no_offer_may_say(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        offer(**fields)


def test_blanks_around_ids_and_titles_are_dropped() -> None:
    found = offer(offer_id=" 1 ", title="  Canon EOS ", price=" 12.50 ")
    assert (found.offer_id, found.title, found.price) == ("1", "Canon EOS", "12.50")


def test_the_digest_names_the_content() -> None:
    plain = offer()
    assert plain.digest() == "bbed277f3794c27d4ff47f685027da60f23bce77a6dddedeb65a474cde756f7d"
    assert offer(version=3).digest() == plain.digest()
    assert offer(brand=None, attributes=None).digest() == plain.digest()
    for changed in ({"title": "Canon EOS 5D"}, {"brand": "Canon"}, {"price": "1"}, {"stock": 3}, {"source": "b"}):
        assert offer(**changed).digest() != plain.digest()
    assert offer(a=1, b=2).digest() == offer(b=2, a=1).digest()
