"""Other people's column names: one reading of a catalogue row or of one side of a pair file.

Sellers say ``name`` for title, ``manufacturer`` for brand, ``mpn`` or ``model`` for model number, and write
"1.299,00 €" for a price. `samesku load`, `samesku evaluate` and training read them all through this one mapping,
so that the student is evaluated on the very offers that a loaded catalogue would give it.

Forgiving in form, never in fact: a value that cannot be read is kept under ``<field>_text`` and left out, it is not
guessed. Columns that are not known here are kept as extra fields of the offer; they reach no prompt and no index, so
that a ``cluster_id`` or a ``label`` beside an offer gives nothing away. Pure functions, no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from schemas.offer import MAX_FIELD_CHARS, Offer
from schemas.text import strip_control

# Field -> names it goes by, best first; compared by :func:`column_name` (lower case, letters and digits only).
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "offer_id": ("offerid", "id", "sku", "itemid", "listingid", "productid", "articlenumber", "asin", "handle", "uuid"),
    "source": ("source", "seller", "shop", "store", "merchant", "marketplace"),
    "title": ("title", "name", "producttitle", "productname", "itemname", "offertitle", "inputtitle"),
    "brand": ("brand", "manufacturer", "brandname", "maker", "vendor"),
    "model_number": (
        "modelnumber",
        "mpn",
        "model",
        "modelno",
        "partnumber",
        "partno",
        "manufacturerpartnumber",
        "manufacturersku",
        "itemmodelnumber",
    ),
    "gtin": ("gtin", "ean", "upc", "gtin13", "gtin14", "gtin12", "gtin8", "ean13", "barcode", "isbn13", "isbn"),
    "price": ("price", "saleprice", "listprice", "offerprice", "currentprice", "amount"),
    "currency": ("currency", "pricecurrency", "currencycode"),
    "category": ("category", "producttype", "googleproductcategory", "categoryname"),
    "description": (
        "description",
        "desc",
        "productdescription",
        "longdescription",
        "shortdescription",
        "inputdescription",
        "body",
        "bodyhtml",
    ),
    "attributes": ("attributes", "specs", "specifications"),
    "image_url": ("imageurl", "imagelink", "image", "picture", "thumbnail"),
    "version": ("version", "revision"),
}
# Columns that say something about the product and have no field of their own become entries of ``attributes``.
ATTRIBUTE_COLUMNS: Final = frozenset(
    {
        "color",
        "colour",
        "size",
        "material",
        "capacity",
        "storage",
        "memory",
        "weight",
        "volume",
        "flavor",
        "flavour",
        "scent",
        "shade",
        "packsize",
        "packquantity",
        "quantity",
        "unitcount",
        "multipack",
        "voltage",
        "region",
        "condition",
        "edition",
        "platform",
    }
)
# What spreadsheets and dumps write where they have nothing.
NOTHING: Final = frozenset({"", "null", "none", "nan", "n/a", "na", "nil", "-", "--", "undefined", "\\n"})
# Signs that name one currency. "$" and "¥" name several and are not guessed.
CURRENCY_SIGNS: Final[Mapping[str, str]] = {
    "€": "EUR",
    "£": "GBP",
    "₹": "INR",
    "₩": "KRW",
    "₺": "TRY",
    "₽": "RUB",
    "zł": "PLN",
}

_MAX_PRICE_DIGITS: Final = 15  # as the offer's `price` pattern
_PRICE: Final = re.compile(r"[0-9][0-9.,'’ \u00a0\u202f]*")
_CURRENCY_CODE: Final = re.compile(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")
_NOT_ALNUM: Final = re.compile(r"[^0-9a-z]")
_CONTROL_RUN: Final = re.compile(r"\s+")


def column_name(name: str) -> str:
    """A column's name as it is compared: ``priceCurrency``, ``Price Currency`` and ``g:price_currency`` are one."""
    return _NOT_ALNUM.sub("", name.rpartition(":")[2].lower())


def _value(value: Any) -> Any:
    """The value, or ``None`` where the row says nothing in one of the usual ways."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str) and value.strip().lower() in NOTHING:
        return None
    return value


def read_price(value: Any) -> tuple[str | None, str | None]:
    """``(price, currency)`` of a price as sellers write it: "1,299.00", "1.299,00 €", "USD 12", 12.5.

    The last of two kinds of separators is the decimal point; a lone comma is one unless exactly three digits follow.
    Both are ``None`` where there is no number, more than one, or a negative one.
    """
    if isinstance(value, bool) or value is None:
        return None, None
    text = str(value).strip()
    if isinstance(value, int | float | Decimal) or re.fullmatch(r"\d+(\.\d+)?([eE][+-]?\d+)?", text):
        return _decimal(text), None
    code = _CURRENCY_CODE.search(text)
    currency = code[0] if code else next((name for sign, name in CURRENCY_SIGNS.items() if sign in text), None)
    numbers = _PRICE.findall(text)
    if len(numbers) != 1 or re.search(r"-\s*[^0-9]?\s*\d", text):
        return None, None
    digits = re.sub(r"['’\s]", "", numbers[0]).strip(".,")
    comma, dot = digits.rfind(","), digits.rfind(".")
    if comma > dot and dot >= 0:
        digits = digits.replace(".", "").replace(",", ".")
    elif dot > comma >= 0:
        digits = digits.replace(",", "")
    elif comma >= 0:
        grouped = re.fullmatch(r"\d{1,3}(,\d{3})+", digits)
        digits = digits.replace(",", "" if grouped else ".")
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    return _decimal(digits), currency


def _decimal(text: str) -> str | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or number < 0 or number >= Decimal(10) ** _MAX_PRICE_DIGITS:
        return None
    if not -6 <= int(number.as_tuple().exponent) <= 0:
        number = number.quantize(Decimal("0.000001")).normalize()
    return format(number, "f")


def _attributes(value: Any) -> dict[str, str | None]:
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {"text": value}
    if not isinstance(value, Mapping):
        return {}
    return {str(name): _text(inner) for name, inner in value.items() if _value(inner) is not None}


def _text(value: Any) -> str:
    """A field as text, without control characters and cut to what an offer may hold."""
    if isinstance(value, list | dict):
        value = orjson.dumps(value).decode()
    text = str(value)
    return _CONTROL_RUN.sub(" ", strip_control(text)).strip()[:MAX_FIELD_CHARS]


def _pick(columns: Mapping[str, tuple[str, Any]], names: Iterable[str]) -> tuple[str, Any] | None:
    return next((columns[name] for name in names if name in columns), None)


def offer_fields(record: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The fields of an offer that a record of any of the known column names holds; not validated yet.

    Of several columns for one field the first of :data:`COLUMNS` that says something is taken, the others stay extra
    fields. ``source`` is used where the record does not name its own. A missing title or id is simply absent.
    """
    columns: dict[str, tuple[str, Any]] = {}
    for name, raw in record.items():
        if isinstance(name, str) and (value := _value(raw)) is not None:
            columns.setdefault(column_name(name), (name, value))
    fields: dict[str, Any] = {}
    used: set[str] = set()
    for field, names in COLUMNS.items():
        if (found := _pick(columns, names)) is not None:
            used.add(found[0])
            fields[field] = found[1]
    fields.setdefault("source", source)
    attributes = _attributes(fields.pop("attributes", None))
    extra: dict[str, Any] = {}
    for name, (original, value) in columns.items():
        if original in used:
            continue
        if name in ATTRIBUTE_COLUMNS:
            attributes.setdefault(original, _text(value))
        elif original not in Offer.model_fields:
            extra[original] = value
    for field in ("title", "brand", "model_number", "gtin", "category", "description", "image_url"):
        if field in fields:
            fields[field] = _text(fields[field])
    if attributes:
        fields["attributes"] = attributes
    return {**extra, **_readable(fields)}


def _readable(fields: dict[str, Any]) -> dict[str, Any]:
    """Price, currency and version in their stated forms; what cannot be read is kept as ``<field>_text``."""
    if (raw := fields.pop("price", None)) is not None:
        price, currency = read_price(raw)
        if price is None:
            fields["price_text"] = _text(raw)
        else:
            fields["price"] = price
        if currency is not None:
            fields.setdefault("currency", currency)
    if (raw := fields.pop("currency", None)) is not None:
        code = CURRENCY_SIGNS.get(str(raw).strip(), str(raw).strip().upper())
        fields["currency" if re.fullmatch(r"[A-Z]{3}", code) else "currency_text"] = code
    if (raw := fields.pop("version", None)) is not None:
        text = str(raw).strip()
        if re.fullmatch(r"\d{1,18}", text) and not isinstance(raw, bool):
            fields["version"] = int(text)
        else:
            fields["version_text"] = _text(raw)
    return fields


def offer_from_record(record: Mapping[str, Any], source: str) -> Offer:
    """The offer that a record of a catalogue, or one side of a pair, describes.

    Raises:
        pydantic.ValidationError: no id or no title (or an empty one), or a value beyond what an offer may hold.
    """
    return Offer.model_validate(offer_fields(record, source))
