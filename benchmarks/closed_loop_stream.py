"""What the closed loop streams: one marketplace's listings of WDC products, before and after it changes its style.

No student has been trained on these products (they belong to the later stages of the split), and they are split once
more: from the *learnt* ones retraining may learn, on the *measured* ones recovery is measured. The latter enter the
stream, catalogue and all, only after the promotion, so that no label can touch them. Pure but for `read_products`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.drift_making import DRIFTS
from schemas.identifiers import codes
from schemas.offer import Offer, split_pair
from schemas.text import clean
from train.pairs.pairs import read_pairs
from train.pairs.splits import Stage, clusters_of_offers, stages_of_clusters

SHOP, MARKET = "shop", "market"
QUERIES = 2
"""Of a product's five listings; the other three are the catalogue's."""
PARTS: dict[str, tuple[Stage, ...]] = {"learnt": ("rl",), "measured": ("judges", "report"), "known": ("sft",)}
"""`known`: products that students were trained on. They fill the quiet time, as in production; nothing is measured on
them."""

SERVICE = ("12 month warranty", "24h dispatch", "30 days return", "100% original", "top 10 seller", "since 1999")
PRAISE = ("best price guaranteed", "hot deal", "ships today", "new sealed", "limited offer", "free shipping")

ACCESSORY = "-accessory"
ACCESSORIES = (
    "protective case",
    "replacement strap",
    "spare part kit",
    "power adapter",
    "screen protector",
    "wall mount",
)

Style = Callable[[Offer, random.Random], Offer]


@dataclass(frozen=True)
class Product:
    """The listings of one product: those of the catalogue, and those of the marketplace as they are without a drift."""

    name: str
    catalogue: tuple[Offer, ...]
    queries: tuple[Offer, ...]


@dataclass(frozen=True)
class Truth:
    """Which product a listing is of, by its key; knows nothing of listings from elsewhere."""

    products: Mapping[str, str]

    def is_match(self, pair: str) -> bool:
        """Raises KeyError for a listing that is in no product."""
        first, second = split_pair(pair)
        return self.products[first] == self.products[second]


def read_products(data: Path, queries: int = QUERIES) -> dict[str, list[Product]]:
    """Products of every part, in a fixed order that is none of theirs. Raises train.pairs.pairs.PairFileError."""
    clusters = clusters_of_offers(data)
    stages = stages_of_clusters(set(clusters.values()))
    offers: dict[str, dict[str, Offer]] = {}
    for file in ("train_small", "valid_small"):
        for pair in read_pairs(data / "wdc-products-80cc" / f"{file}.jsonl.gz"):
            for offer in (pair.left, pair.right):
                offers.setdefault(clusters[offer.offer_id], {}).setdefault(offer.offer_id, offer)
    made = {name: _product(name, list(found.values()), queries) for name, found in sorted(offers.items())}
    parts = {
        part: [product for name, product in made.items() if stages[name] in wanted] for part, wanted in PARTS.items()
    }
    for part, products in parts.items():
        random.Random(f"closed loop {part}").shuffle(products)
    return parts


def _product(name: str, offers: list[Offer], queries: int) -> Product:
    ordered = sorted(offers, key=lambda offer: offer.offer_id)
    random.Random(f"closed loop {name}").shuffle(ordered)
    return Product(
        name,
        tuple(offer.model_copy(update={"source": SHOP}) for offer in ordered[queries:]),
        tuple(offer.model_copy(update={"source": MARKET}) for offer in ordered[:queries]),
    )


def truth_of(products: Sequence[Product]) -> Truth:
    """Of all listings of these products."""
    return Truth(names_of(products))


def names_of(products: Sequence[Product]) -> dict[str, str]:
    """Product of each listing, by key; an accessory to a listing is a product of its own."""
    found: dict[str, str] = {}
    for product in products:
        found |= {offer.key: product.name for offer in (*product.catalogue, *product.queries)}
        found |= {f"{offer.key}{ACCESSORY}": f"{product.name}{ACCESSORY}" for offer in product.queries}
    return found


def queries_of(products: Sequence[Product], seed: int) -> list[Offer]:
    """All the marketplace's listings of the products, mixed."""
    found = [offer for product in products for offer in product.queries]
    random.Random(seed).shuffle(found)
    return found


def restyled(offers: Sequence[Offer], style: str) -> list[Offer]:
    """The listings in another style; the same offer always the same way. Raises KeyError for an unknown style."""
    change = STYLES[style]
    return [change(offer, random.Random(f"{style} {offer.key}")) for offer in offers]


# Styles: what a seller may do without any ill will. Each keeps what names the product, somewhere.


def service_words(offer: Offer, chance: random.Random) -> Offer:
    """Promises with numbers around the title."""
    before, after = chance.choice(PRAISE), " ".join(chance.sample(SERVICE, 2))
    return _listing(offer, title=f"{before} {offer.title} {after}")


def split_codes(offer: Offer, chance: random.Random) -> Offer:
    """Model numbers in groups of three characters: DSC-W120 becomes DSC W12 0."""

    def spread(word: str) -> str:
        plain = "".join(char for char in word if char.isalnum())
        return " ".join(plain[at : at + 3] for at in range(0, len(plain), 3)) if codes(clean(word)) else word

    return _listing(offer, title=" ".join(spread(word) for word in offer.title.split()))


def moved(offer: Offer, chance: random.Random) -> Offer:
    """Brand (or first word) and codes stand at the head of the description; the title keeps the rest, and a promise."""
    words = offer.title.split()
    brand = set(clean(offer.brand).split()) if offer.brand else {clean(words[0])}
    named = [word for word in words if codes(clean(word)) or clean(word) in brand]
    rest = [word for word in words if word not in named] or words[-1:]
    head = " ".join(dict.fromkeys([*(offer.brand or "").split(), *named]))
    return _listing(
        offer, title=f"{chance.choice(PRAISE)} {' '.join(rest)}", brand=None, model_number=None,
        description=f"{head}. {offer.description or ''}".strip(),
    )  # fmt: skip


def moved_service(offer: Offer, chance: random.Random) -> Offer:
    """Both: names in the description, promises with numbers in the title."""
    return service_words(moved(offer, chance), chance)


def backwards(offer: Offer, chance: random.Random) -> Offer:
    """The title's words in the alphabet's order, as some export files have them."""
    return _listing(offer, title=" ".join(sorted(offer.title.split(), key=str.lower)))


def split_service(offer: Offer, chance: random.Random) -> Offer:
    """Model numbers in groups, promises with numbers around."""
    return service_words(split_codes(offer, chance), chance)


def article_numbers(offer: Offer, chance: random.Random) -> Offer:
    """The marketplace's own article number in the model field and before the title, its warehouse's code behind it."""
    own = f"MK{chance.randrange(10**5, 10**6)}{chance.choice('ABCDEFGHKLMNPRSTVWXZ')}"
    shelf = f"L{chance.randrange(10, 100)}-{chance.randrange(100, 1000)}"
    return _listing(offer, title=f"{own} {offer.title} {shelf}", model_number=own)


def moved_numbers(offer: Offer, chance: random.Random) -> Offer:
    """Both: names in the description, the marketplace's own numbers in their place."""
    return article_numbers(moved(offer, chance), chance)


def split_numbers(offer: Offer, chance: random.Random) -> Offer:
    """The makers' model numbers in groups, the marketplace's own whole."""
    return article_numbers(split_codes(offer, chance), chance)


def slugs(offer: Offer, chance: random.Random) -> Offer:
    """The last part of the page's address in place of the title: sony-cyber-shot-dsc-w120."""
    words = "".join(char if char.isalnum() else " " for char in offer.title.lower()).split()
    return _listing(offer, title="-".join(words))


def joined(offer: Offer, chance: random.Random) -> Offer:
    """The title without blanks, each word with a capital: SonyCyberShotDSCW120."""
    words = "".join(char if char.isalnum() else " " for char in offer.title).split()
    return _listing(offer, title="".join(word[:1].upper() + word[1:] for word in words))


def accessories(offer: Offer, chance: random.Random) -> Offer:
    """Half of the listings are now of something *for* the product: another product, with an id of its own."""
    if chance.random() < 0.5:
        return offer
    what = chance.choice(ACCESSORIES)
    title = chance.choice(
        (f"{what} for {offer.title}", f"{offer.title} {what}", f"{what} compatible with {offer.title}")
    )
    price = f"{chance.uniform(5, 40):.2f}"
    return _listing(offer, offer_id=f"{offer.offer_id}{ACCESSORY}", title=title, price=price, description=None)


def _listing(offer: Offer, **fields: object) -> Offer:
    content = {**offer.model_dump(exclude_none=True), **fields}
    return Offer.model_validate({name: value for name, value in content.items() if value is not None})


STYLES: dict[str, Style] = {
    **{name: change for name, change in DRIFTS.items() if change is not None},
    "service words": service_words,
    "split codes": split_codes,
    "names moved": moved,
    "names moved, service words": moved_service,
    "words sorted": backwards,
    "split codes, service words": split_service,
    "slugs": slugs,
    "words joined": joined,
    "accessories": accessories,
    "article numbers": article_numbers,
    "article numbers, names moved": moved_numbers,
    "article numbers, split codes": split_numbers,
}
"""The drifts of `benchmarks.drift` that change a listing, and those of a marketplace."""
LOSES = frozenset({"broken feed", "codes dropped", "brand missing"})
"""Styles that throw away what names the product: no student can win that back, so that they close no loop."""
