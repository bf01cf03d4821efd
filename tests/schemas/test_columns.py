"""Rows as other people write them become offers, and what cannot be read is never guessed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.columns import column_name, offer_fields, offer_from_record, read_price


@pytest.mark.parametrize("name", ["priceCurrency", "price_currency", "Price Currency", "g:price_currency"])
def test_column_names_are_compared_without_case_and_punctuation(name: str) -> None:
    assert column_name(name) == "pricecurrency"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"id": "abt_0", "name": "sony turntable pslx350h", "description": "belt drive", "price": None},
            {"offer_id": "abt_0", "title": "sony turntable pslx350h", "description": "belt drive", "brand": None},
        ),
        (
            {"id": "google_0", "title": "learning quickbooks 2007", "manufacturer": "intuit", "price": "38.99"},
            {"offer_id": "google_0", "title": "learning quickbooks 2007", "brand": "intuit", "price": "38.99"},
        ),
        (
            {"id": "7", "title": "Chaine", "brand": "SHIMANO", "price": 9.9, "priceCurrency": "CAD"},
            {"offer_id": "7", "brand": "SHIMANO", "price": "9.9", "currency": "CAD", "description": None},
        ),
        (
            {"SKU": 12, "Product Name": "Mixer", "MPN": "KSM150", "EAN": 5413184128616, "Seller": "north"},
            {"offer_id": "12", "title": "Mixer", "model_number": "KSM150", "gtin": "5413184128616", "source": "north"},
        ),
    ],
)
def test_known_names_of_real_files(record: dict[str, Any], expected: dict[str, Any]) -> None:
    offer = offer_from_record(record, "shop")
    assert {field: getattr(offer, field) for field in expected} == expected
    assert offer.source == expected.get("source", "shop")


@pytest.mark.parametrize(
    ("text", "price", "currency"),
    [
        ("1,299.00", "1299.00", None),
        ("1.299,00 €", "1299.00", "EUR"),
        ("$ 12.99", "12.99", None),
        ("USD 12", "12", "USD"),
        ("12,5", "12.5", None),
        ("1,299", "1299", None),
        ("1'299.50 CHF", "1299.50", "CHF"),
        (12.5, "12.5", None),
        (0, "0", None),
        ("1e3", "1000", None),
        ("1.25e-8", "0", None),
        ("from 10 to 20", None, None),
        ("ask", None, None),
        ("-3.00", None, None),
        (float("inf"), None, None),
        (True, None, None),
        ("9" * 16, None, None),
    ],
)
def test_prices_as_sellers_write_them(text: Any, price: str | None, currency: str | None) -> None:
    assert read_price(text) == (price, currency)


def test_an_unreadable_value_is_kept_aside_and_not_guessed() -> None:
    offer = offer_from_record({"id": 1, "title": "lamp", "price": "on request", "currency": "$", "version": "v2"}, "s")
    assert (offer.price, offer.currency, offer.version) == (None, None, None)
    assert offer.model_extra == {"price_text": "on request", "currency_text": "$", "version_text": "v2"}


def test_the_first_column_that_says_something_wins_and_the_others_are_kept() -> None:
    record = {"id": 1, "title": "", "name": "lamp", "ean": "n/a", "upc": "036000291452", "sku": "L-1"}
    offer = offer_from_record(record, "s")
    assert (offer.offer_id, offer.title, offer.gtin) == ("1", "lamp", "036000291452")
    assert offer.model_extra == {"sku": "L-1"}


def test_descriptive_columns_become_attributes_and_labels_do_not() -> None:
    record = {"id": 1, "title": "lamp", "Colour": "red", "cluster_id": 9, "attributes": '{"watt": 5}'}
    offer = offer_from_record(record, "s")
    assert offer.attributes == {"watt": "5", "Colour": "red"}
    assert offer.model_extra == {"cluster_id": 9}


def test_an_extra_column_never_overrides_a_field() -> None:
    fields = offer_fields({"id": "a", "offer_id": "b", "title": "lamp", "model": "x1", "model_number": "x2"}, "s")
    assert fields == {"offer_id": "b", "title": "lamp", "model_number": "x2", "source": "s", "id": "a", "model": "x1"}


def test_control_characters_are_cleaned_from_text_but_refused_in_ids() -> None:
    assert offer_from_record({"id": 1, "title": "la\x00mp\n x"}, "s").title == "la mp x"
    with pytest.raises(ValidationError):
        offer_from_record({"id": "a\x00", "title": "lamp"}, "s")


@pytest.mark.parametrize("record", [{"id": 1}, {"title": "lamp"}, {"id": 1, "title": "  "}, {}])
def test_a_row_without_id_or_title_is_no_offer(record: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        offer_from_record(record, "s")


def test_every_pair_of_the_public_files_can_be_read(data_dir: Path) -> None:
    files = [path for path in sorted(data_dir.glob("*/*.jsonl*")) if path.name.startswith(("valid", "test"))]
    files = [path for path in files if "attribute-extraction" not in path.parent.name]
    assert len(files) >= 10
    unreadable = set()
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for pair in map(json.loads, lines):
                for side in (pair["left"], pair["right"]):
                    offer = offer_from_record({"id": "-", **side}, "pairs")
                    assert offer.title
                    assert (offer.brand is not None) == bool(side.get("brand") or side.get("manufacturer"))
                    unreadable.add((offer.model_extra or {}).get("price_text"))
    assert unreadable <= {None, "POA", "$1,100.00Ends 10/1/2020"}
