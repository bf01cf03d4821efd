from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings

from schemas.evidence import Evidence, compare, conflicting_units, identifier_verdict, view
from schemas.offer import Offer
from tests.schemas.strategies import offers

LINE = re.compile(
    r"codes[0-9]{5} numbers[0-9]{4} words[0-9]{5} text[0-9]{4}( price[0-9])?( gtin (same|different))?"
    r"( packs (same|different|one))?"
)
GTIN, OTHER_GTIN, WRONG_GTIN = "4006381333931", "036000291452", "4006381333932"


def offer(title: str, **values: Any) -> Offer:
    return Offer.model_validate({"offer_id": "1", "source": "shop", "title": title, **values})


@settings(max_examples=40)
@given(offers(), offers())
def test_swapping_the_offers_swaps_the_sides_and_nothing_else(query: Offer, candidate: Offer) -> None:
    straight, swapped = compare(query, candidate), compare(candidate, query)
    for name in (field.name for field in fields(Evidence)):
        other = {"a": name[:-1] + "b", "b": name[:-1] + "a"}[name[-1]] if name.endswith(("_a", "_b")) else name
        assert getattr(straight, name) == getattr(swapped, other), name


@settings(max_examples=40)
@given(offers(), offers())
def test_every_value_is_one_digit(query: Offer, candidate: Offer) -> None:
    assert LINE.fullmatch(compare(query, candidate).line())


@settings(max_examples=40)
@given(offers())
def test_an_offer_differs_in_nothing_from_itself(same: Offer) -> None:
    found = compare(same, same)
    assert (found.codes_only_a, found.codes_only_b, found.measures_only_a, found.measures_conflicting) == (0, 0, 0, 0)
    assert (found.words_only_a, found.words_only_b, found.near_codes) == (0, 0, 0)
    assert found.price in (None, 0)
    assert found.gtin in (None, "same")


def test_a_code_is_recognised_in_another_spelling() -> None:
    found = compare(offer("Sony DSC-W120/P pink"), offer("sony dscw120p camera"))
    assert (found.codes_shared, found.codes_only_a, found.codes_only_b) == (1, 0, 0)
    assert found.brand == 1


def test_a_code_in_the_others_description_is_shared() -> None:
    found = compare(offer("Canon SX110 IS"), offer("Canon PowerShot", description="the sx110 with 10x zoom"))
    assert (found.codes_shared, found.codes_only_a, found.codes_inside) == (1, 0, 1)


def test_a_code_inside_a_longer_one() -> None:
    assert compare(offer("Canon SX110"), offer("Canon SX110IS")).codes_inside == 1


@pytest.mark.parametrize(
    ("a", "b", "near"),
    [("dscw120p", "dscw120b", 2), ("dscw120p", "dscw120", 2), ("dscw120", "dscw235", 1), ("dscw120", "sx110", 0)],
)
def test_relatives_among_codes(a: str, b: str, near: int) -> None:
    assert compare(offer(f"camera {a}"), offer(f"camera {b}")).near_codes == near


def test_measures() -> None:
    found = compare(offer("Seagate 500 GB 7200rpm"), offer("Seagate 1TB 7200 rpm"))
    assert (found.measures_shared, found.measures_only_a, found.measures_only_b) == (1, 1, 1)
    assert found.measures_conflicting == 0
    assert compare(offer("Seagate 500gb"), offer("Seagate 750gb")).measures_conflicting == 1


def test_units_conflict_only_where_both_state_them() -> None:
    assert conflicting_units(frozenset({"500gb", "7"}), frozenset({"750gb", "8", "60hz"})) == ["gb"]
    assert conflicting_units(frozenset({"500gb", "750gb"}), frozenset({"750gb"})) == []


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({"price": "100"}, {"price": "100.00"}, 0),
        ({"price": "100"}, {"price": "112"}, 1),
        ({"price": "100"}, {"price": "272"}, 9),
        ({"price": "100"}, {"price": "100000"}, 9),
        ({"price": "100"}, {}, None),
        ({"price": "0"}, {"price": "10"}, None),
        ({"price": "10", "currency": "EUR"}, {"price": "10", "currency": "USD"}, None),
        ({"price": "10", "currency": "EUR"}, {"price": "10"}, 0),
    ],
)
def test_price(a: dict[str, str], b: dict[str, str], expected: int | None) -> None:
    assert compare(offer("x", **a), offer("x", **b)).price == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(GTIN, GTIN, "same"), (GTIN, "0" + GTIN, "same"), (GTIN, OTHER_GTIN, "different"), (GTIN, None, None),
     (GTIN, WRONG_GTIN, None)],
)  # fmt: skip
def test_gtin(a: str, b: str | None, expected: str | None) -> None:
    assert compare(offer("x", gtin=a), offer("x", gtin=b)).gtin == expected


def test_what_identifiers_say_alone() -> None:
    assert identifier_verdict(offer("Canon SX110", gtin=GTIN), offer("anything", gtin=GTIN)) == "same"
    assert identifier_verdict(offer("Canon SX110", gtin=GTIN), offer("Canon SX120", gtin=OTHER_GTIN)) == "different"
    # A shared model number under two GTINs: a new packaging as often as another product.
    assert identifier_verdict(offer("Canon SX110", gtin=GTIN), offer("Canon SX110", gtin=OTHER_GTIN)) is None
    assert identifier_verdict(offer("Canon SX110"), offer("Canon SX110")) is None


def test_the_line_as_the_student_reads_it() -> None:
    query = offer("Sony DSC-W120/P 7.2MP pink", price="149.95", gtin=GTIN)
    found = compare(query, offer("sony dscw120p 7.2 megapixel", price="139", gtin=GTIN))
    assert found.line() == "codes10020 numbers1000 words32111 text2422 price0 gtin same"


def test_a_view_is_made_once() -> None:
    assert view(offer("Canon EOS")) is view(offer("Canon EOS", price="1"))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({"title": "aa batteries"}, {"title": "batteries aa"}, None),
        ({"title": "aa batteries pack of 6"}, {"title": "batteries aa 6-pack"}, "same"),
        ({"title": "aa batteries pack of 6"}, {"title": "batteries aa, 12 ct"}, "different"),
        ({"title": "aa batteries pack of 6"}, {"title": "batteries aa"}, "one"),
        ({"title": "aa batteries pack of 6"}, {"title": "batteries aa", "description": "a set of 6"}, "same"),
        # What stands in a description alone is as often about what is in the box.
        ({"title": "camera"}, {"title": "camera", "description": "with a set of 2 straps"}, None),
        ({"title": "camera 1 pc"}, {"title": "camera"}, None),
    ],
)
def test_pack_sizes(a: dict[str, str], b: dict[str, str], expected: str | None) -> None:
    found = compare(offer(**a), offer(**b))
    assert found.packs == expected
    assert ("packs" in found.line()) == (expected is not None)
