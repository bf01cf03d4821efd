from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identifiers import (
    GTIN_LENGTHS,
    codes,
    gtin14,
    identifier_keys,
    is_code,
    measures,
    normalise_code,
    offer_codes,
    shared,
)
from schemas.offer import Offer
from schemas.text import clean


def offer(**fields: Any) -> Offer:
    return Offer.model_validate({"offer_id": "1", "source": "shop", "title": "Canon EOS", **fields})


def check_digit(body: str) -> str:
    """GS1's own way to say it: from the right, weights 3, 1, 3, ..."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return str(-total % 10)


bodies = st.sampled_from(GTIN_LENGTHS).flatmap(
    lambda length: st.text("0123456789", min_size=length - 1, max_size=length - 1)
)


@given(bodies.filter(lambda body: int(body) > 0))
def test_exactly_one_check_digit_is_right(body: str) -> None:
    right = check_digit(body)
    for digit in "0123456789":
        assert gtin14(body + digit) == ((body + digit).zfill(14) if digit == right else None)


@given(bodies.filter(lambda body: int(body) > 0), st.data())
def test_one_wrong_digit_is_found(body: str, data: st.DataObject) -> None:
    whole = body + check_digit(body)
    place = data.draw(st.integers(0, len(whole) - 1))
    digit = data.draw(st.sampled_from([char for char in "0123456789" if char != whole[place]]))
    assert gtin14(whole[:place] + digit + whole[place + 1 :]) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4006381333931", "04006381333931"),
        ("400-6381 333931", "04006381333931"),
        ("036000291452", "00036000291452"),
        ("96385074", "00000096385074"),
        ("0000000000000", None),
        ("4006381333932", None),
        ("400638133393", None),
        ("٤٠٠٦٣٨١٣٣٣٩٣١", None),
        ("", None),
        ("4006381333931x", None),
    ],
)
def test_gtin14(text: str, expected: str | None) -> None:
    assert gtin14(text) == expected


def test_a_model_number_is_compared_without_its_punctuation() -> None:
    assert normalise_code("DSC-W120/P") == normalise_code("dsc w120p") == "dscw120p"


@pytest.mark.parametrize("token", ["dscw120p", "sx110", "a5000", "12345", "wd10eads", "mx472lla"])
def test_codes_are_codes(token: str) -> None:
    assert is_code(token)


@pytest.mark.parametrize(
    "token", ["x2", "4k", "camera", "2009", "500gb", "1080p", "60hz", "128mb", "a" * 30 + "1", "é1234"]
)
def test_words_measures_and_sizes_are_no_codes(token: str) -> None:
    assert not is_code(token)


def test_codes_in_order_without_repetition() -> None:
    assert codes("sony dsc-w120/p 7.2mp dscw120p 35710b002 pink") == ["dscw120p", "35710b002"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500gb 2.5 inch 7200rpm", ["500gb", "2.5inch", "7200rpm"]),
        ("500 gb", ["500gb"]),
        ("100 shots 2,5 l 2.50 l 1,000 w", ["2.5l", "1000w", "100"]),
        ("40 inches 40in", ["40inch"]),
        ("dscw120 12345", []),
        ("3 pack 3pk", ["3pack"]),
        ("007 lens", ["7"]),
        ("", []),
    ],
)
def test_measures(text: str, expected: list[str]) -> None:
    assert measures(text) == expected


@given(st.text(max_size=60))
def test_measures_and_codes_have_no_repetition(text: str) -> None:
    for found in (measures(clean(text)), codes(clean(text))):
        assert len(found) == len(set(found))


def test_the_model_field_comes_first() -> None:
    found = offer(title="Canon PowerShot SX110 IS", model_number="2665B001-AA")
    assert offer_codes(found) == ["2665b001aa", "sx110"]
    assert offer_codes(offer(model_number="x2")) == []


def test_blocking_keys() -> None:
    assert identifier_keys(offer(title="Canon SX110", gtin="4006381333931")) == ["gtin:04006381333931", "code:sx110"]
    assert identifier_keys(offer(title="Canon SX110", gtin="4006381333932")) == ["code:sx110"]
    assert identifier_keys(offer()) == []


def test_shared_keeps_the_order_of_the_left() -> None:
    assert shared(["c", "a", "b"], ["b", "c"]) == ["c", "b"]
