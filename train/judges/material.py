"""Pairs that judges are made from and measured on, and that nobody else uses: matches to corrupt, and non-matches.

The judges' 50 products of WDC Products (:mod:`train.pairs.splits`) are too few alone. The offers of WDC PAVE (1,420
offers of 1,420 products; an extraction set of which no training, validation or test of the student uses anything) are
added: each is matched with itself as another seller might list it (:mod:`train.pairs.noise`). Offers whose title or id
occurs in any WDC Products, LSPC, Abt-Buy or Amazon-Google file outside the judges' products are left out.

Products are divided by a hash of their name: ``train``, ``calibration``, ``validation``; and PAVE into two halves, so
that a held-out judge shares no listing with those in the reward.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Literal, get_args

from schemas.evidence import compare
from schemas.offer import Offer
from schemas.text import clean
from train.pairs.noise import noisy
from train.pairs.pairs import data_root, read_pairs, read_rows
from train.pairs.products import SPLIT_FILES, clusters_of
from train.pairs.shares import stable_share
from train.pairs.splits import STAGES, WDC_FILES, Stage, stages_of_clusters

Part = Literal["train", "calibration", "validation"]
PARTS: tuple[Part, ...] = get_args(Part)
# Validation needs 200 cases of every kind; calibration fits two numbers.
PART_ENDS = {"train": 0.55, "calibration": 0.68, "validation": 1.0}
SALT = 5
PAVE = ("attribute-extraction-wdc-pave/train.jsonl.gz", "attribute-extraction-wdc-pave/test.jsonl")
# Beyond these two products have little in common, and calling them different needs no judge.
NEAREST = 3


@dataclass(frozen=True)
class Base:
    """Two listings whose label is known. ``group`` is the product (of both sides of a match), the unit of splitting."""

    left: Offer
    right: Offer
    label: int
    group: str
    origin: str


def part_of(group: str) -> Part:
    """Which part a product belongs to, whatever the seed of a training."""
    share = stable_share(SALT, f"judges:{group}")
    return next(part for part in PARTS if share < PART_ENDS[part])


def half_of(group: str) -> int:
    """0 or 1: which half of PAVE an offer belongs to."""
    return int(stable_share(SALT, f"half:{group}") >= 0.5)


@lru_cache(maxsize=1)
def _wdc(root: Path) -> dict[Stage, dict[str, tuple[Offer, ...]]]:
    found: dict[str, dict[str, Offer]] = defaultdict(dict)
    for name in WDC_FILES:
        for pair in read_pairs(root / "wdc-products-80cc" / f"{name}.jsonl.gz", "wdc-products"):
            for offer, cluster in zip((pair.left, pair.right), clusters_of(pair), strict=True):
                found[cluster].setdefault(offer.offer_id, offer)
    by_stage: dict[Stage, dict[str, tuple[Offer, ...]]] = {stage: {} for stage in STAGES}
    stages = stages_of_clusters(set(found))
    for cluster, offers in sorted(found.items()):
        by_stage[stages[cluster]][cluster] = tuple(offers[key] for key in sorted(offers))
    return by_stage


def wdc_offers(root: Path, stage: Stage) -> dict[str, tuple[Offer, ...]]:
    """Offers by product, of one stage of WDC Products; each once."""
    return _wdc(root)[stage]


@lru_cache(maxsize=1)
def _taken(root: Path) -> frozenset[str]:
    """Clean titles of every offer that the student is trained or measured on."""
    titles: set[str] = set()
    for stage in STAGES:
        if stage != "judges":
            titles.update(clean(offer.title) for offers in wdc_offers(root, stage).values() for offer in offers)
    for splits in SPLIT_FILES.values():
        for files in splits.values():
            for file in files:
                titles.update(clean(o.title) for pair in read_pairs(root / file) for o in (pair.left, pair.right))
    return frozenset(titles)


@lru_cache(maxsize=1)
def pave_offers(root: Path) -> tuple[tuple[str, Offer], ...]:
    """(category, offer) of WDC PAVE, without those whose title the student knows or whose pair stands in a test."""
    taken = _taken(root)
    found: dict[str, tuple[str, Offer]] = {}
    for file in PAVE:
        for row in read_rows(root / file):
            title = str(row.get("input_title") or "").strip()
            if row.get("offer_in_heldout_wdc_tests") or not clean(title) or clean(title) in taken:
                continue
            stated = row["target_scores"].get("Brand") or row["target_scores"].get("Manufacturer") or {}
            brand = next((name for name in stated if name != "n/a"), None)
            offer = Offer(
                offer_id=str(row["id"]),
                source="pave",
                title=title[:2_000],
                brand=brand,
                description=str(row.get("input_description") or "")[:2_000] or None,
            )
            found.setdefault(clean(title), (str(row["category"]), offer))
    return tuple(sorted(found.values(), key=lambda item: item[1].offer_id))


def bases(
    part: Part,
    *,
    root: Path | None = None,
    stage: Stage | None = "judges",
    halves: Sequence[int] = (0,),
    seed: int = 5,
    renditions: int = 2,
) -> list[Base]:
    """Matches and near non-matches of one part, in a fixed order.

    Args:
        part: which products.
        root: the data folder; ``SAMESKU_DATA`` by default.
        stage: the WDC Products stage whose products are used; None for none.
        halves: of WDC PAVE (0, 1); () for none of it.
        seed: of the noise.
        renditions: matches made of each PAVE offer.
    """
    base = (root or data_root()).resolve()
    found: list[Base] = []
    if stage is not None:
        products = {name: offers for name, offers in wdc_offers(base, stage).items() if part_of(name) == part}
        for name, offers in products.items():
            found += [Base(a, b, 1, name, "wdc-products") for a, b in combinations(offers, 2)]
        pool = [(name, offer) for name, offers in products.items() for offer in offers]
        found += _non_matches(pool, "wdc-products")
    if halves:
        by_category: dict[str, list[tuple[str, Offer]]] = defaultdict(list)
        for category, offer in pave_offers(base):
            name = f"pave-{offer.offer_id}"
            if part_of(name) != part or half_of(name) not in halves:
                continue
            by_category[category].append((name, offer))
            for number in range(renditions):
                rng = random.Random(f"{seed}:{name}:{number}")
                one = noisy(offer, rng) if rng.random() < 0.5 else offer
                found.append(Base(one, noisy(offer, rng), 1, name, "pave"))
        for pool in by_category.values():
            found += _non_matches(pool, "pave")
    return found


def _non_matches(pool: Sequence[tuple[str, Offer]], origin: str) -> list[Base]:
    """Each offer with its nearest offers of other products, by words, that share no code with it."""
    words = [frozenset(clean(offer.title).split()) for _, offer in pool]
    found: list[Base] = []
    for place, (name, offer) in enumerate(pool):
        mine = words[place]
        scored = sorted((-len(mine & other) / len(mine | other), number) for number, other in enumerate(words))
        chosen = [number for _, number in scored if pool[number][0] != name][:NEAREST]
        for number in chosen:
            other = pool[number][1]
            if place < number and not compare(offer, other).codes_shared:
                found.append(Base(offer, other, 0, f"{name}+{pool[number][0]}", origin))
    return found
