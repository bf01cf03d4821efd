"""What the demo's sellers sell: about a hundred products with their variants, packs and bundles.

One line of ``products.csv`` is a family with its variants, separated by semicolons. A variant is
``words = model suffix``; ``2x`` or ``3x`` in front makes it a multi-pack and ``+ thing`` at its end a bundle: both are
products of their own, and neither is the single product. A model of ``-`` means that nobody prints one. Names and model
numbers are in the style of the real world; the listings that :mod:`samesku.demo.generate` makes of them, the prices and
the GTINs are made up (UPCs that start with 2, which GS1 keeps free for use inside a shop).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FAMILIES: Final = Path(__file__).with_name("products.csv")


@dataclass(frozen=True)
class Product:
    """One product that can be bought: what the ground truth counts as the same thing."""

    number: int
    category: str
    brand: str
    name: str
    model: str | None
    variant: str
    price: int
    words: str
    pack: int
    bundle: str

    @property
    def id(self) -> str:
        return f"P{self.number:03d}"

    @property
    def gtin(self) -> str:
        """EAN-13 with its check digit; its last twelve digits are the same number as a UPC."""
        # Strides far apart, so that two GTINs differ in many digits, as those of unrelated products do.
        body = f"02{(self.number + 1) * 61_803_398_87 % 10**10:010d}"
        total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
        return f"{body}{(10 - total % 10) % 10}"


def products() -> Iterator[Product]:
    """Every variant of every family, in the order of the file."""
    number = 0
    with FAMILIES.open(encoding="utf-8", newline="") as lines:
        families = list(csv.DictReader(lines))
    for family in families:
        category, brand, name, model, price, words, variants = family.values()
        for place, variant in enumerate(variants.split(";")):
            spelled, _, suffix = (part.strip() for part in variant.partition("="))
            spelled, _, bundle = (part.strip() for part in spelled.partition("+"))
            pack = int(spelled[0]) if spelled[1:2] == "x" and spelled[0].isdigit() else 1
            spelled = spelled[2:].strip() if pack > 1 else spelled
            yield Product(
                number,
                category,
                brand,
                name,
                None if model == "-" else model + suffix,
                spelled,
                int(price) * pack + (30 if bundle else 0) + (int(price) * place // 3 if grows(spelled) else 0),
                words,
                pack,
                bundle,
            )
            number += 1


def grows(variant: str) -> bool:
    """Whether later variants of this kind cost more: capacities and counts do, colours do not."""
    return variant[:1].isdigit()
