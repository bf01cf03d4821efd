"""Which offers are one product, and which products are held out of training.

A set without product ids is divided into groups: the connected components of its offers under known matches of *all*
its splits and under equal clean titles. A seeded share of the groups is held out; every training pair that touches an
offer of a held group is dropped, and the pairs among held offers measure the student on products it never saw.

Groups are as fine as the known matches are complete: where two offers of a product stand in no labelled pair together
(WDC LSPC states no cluster ids), one group may be two. Pure functions, no I/O but the pair files that
:func:`held_pairs` and :func:`report_pairs` read.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from schemas.text import clean
from train.pairs.pairs import Pair, data_root, read_pairs
from train.pairs.shares import stable_share
from train.pairs.splits import WDC_FILES, Stage, stages_of_clusters

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
# Every labelled file of a set, best first where one holds rows of another.
SPLIT_FILES: dict[str, dict[Split, tuple[str, ...]]] = {
    "abt-buy": {
        "train": ("abt-buy/train.jsonl.gz",),
        "valid": ("abt-buy/valid.jsonl.gz",),
        "test": ("abt-buy/test.jsonl.gz",),
    },
    "amazon-google": {
        "train": ("amazon-google/train.jsonl.gz",),
        "valid": ("amazon-google/valid.jsonl",),
        "test": ("amazon-google/test.jsonl",),
    },
    **{
        f"wdc-{part}": {
            "train": (f"wdc-lspc-{part}/train_medium.jsonl.gz", f"wdc-lspc-{part}/train_small.jsonl"),
            "valid": (f"wdc-lspc-{part}/valid_medium.jsonl", f"wdc-lspc-{part}/valid_small.jsonl"),
            "test": (f"wdc-lspc-{part}/test.jsonl",),
        }
        for part in ("computers", "cameras")
    },
}


# Titles only, and offers that the other files of WDC Products lack: added on request.
LARGE_FILE = "train_large_titles_only.jsonl.gz"
LARGE_ORIGIN = "wdc-products-large"


def product_groups(pairs: Iterable[Pair]) -> dict[str, str]:
    """Offer id to the name of its group: the least offer id in it. An offer without a match is a group of its own."""
    parent: dict[str, str] = {}

    def root_of(offer: str) -> str:
        while (above := parent.setdefault(offer, offer)) != offer:
            parent[offer] = parent[above]
            offer = above
        return offer

    def join(one: str, other: str) -> None:
        first, second = sorted((root_of(one), root_of(other)))
        parent[second] = first

    by_title: dict[str, str] = {}
    for pair in pairs:
        for offer in (pair.left, pair.right):
            join(offer.offer_id, by_title.setdefault(clean(offer.title), offer.offer_id))
        if pair.label == 1:
            join(pair.left.offer_id, pair.right.offer_id)
    return {offer: root_of(offer) for offer in parent}


def held_offers(groups: Mapping[str, str], origin: str, share: float, seed: int) -> frozenset[str]:
    """Ids of the offers whose group is held out: about ``share`` of the groups, by a hash of seed and group name.

    Raises:
        ValueError: ``share`` is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError(f"hold_products must be at least 0 and below 1, not {share}")
    return frozenset(
        offer for offer, group in groups.items() if stable_share(seed, f"product:{origin}:{group}") < share
    )


def touching(pairs: Iterable[Pair], offers: frozenset[str], *, both: bool) -> list[Pair]:
    """The pairs of which both offers (or at least one) are among ``offers``."""
    rule = all if both else any
    return [pair for pair in pairs if rule(offer.offer_id in offers for offer in (pair.left, pair.right))]


def read_split(root: Path, origin: str, split: Split) -> list[Pair]:
    """All labelled pairs of one split of a set, each once by its offer ids.

    Raises:
        ValueError: no such set.
    """
    files = split_files(origin)[split]
    return list({pair.id_key(): pair for file in reversed(files) for pair in read_pairs(root / file, origin)}.values())


def split_files(origin: str) -> dict[Split, tuple[str, ...]]:
    """The files of a set's splits. Raises ValueError for a set that is not known."""
    if origin not in SPLIT_FILES:
        raise ValueError(f"no set {origin!r} with splits (known: {', '.join(SPLIT_FILES)})")
    return SPLIT_FILES[origin]


def held_offers_of(root: Path, origin: str, share: float, seed: int) -> frozenset[str]:
    """As :func:`held_offers`, over the groups of all splits of a set of the data folder."""
    pairs = [pair for split in SPLITS for pair in read_split(root, origin, split)]
    return held_offers(product_groups(pairs), origin, share, seed)


def held_pairs(
    root: Path | None, origin: str, share: float, seed: int, *, both: bool = True
) -> dict[Split, list[Pair]]:
    """The pairs that measure the student by product, for each split they stand in; a pair is named once, test first.

    ``test`` is the test set by product. All three together are the set "by product, all splits": larger, but its
    valid pairs may have chosen thresholds, so that a report must say which of the two it shows.

    Args:
        root: the data folder; ``SAMESKU_DATA`` by default.
        origin: a key of ``SPLIT_FILES``.
        share: of the product groups that training was told to hold out.
        seed: that of the training.
        both: pairs whose both offers are held (the student saw neither); else at least one (it saw neither pair).
    """
    base = root or data_root()
    splits = {split: read_split(base, origin, split) for split in SPLITS}
    held = held_offers(product_groups(pair for pairs in splits.values() for pair in pairs), origin, share, seed)
    seen: set[tuple[str, str]] = set()
    found: dict[Split, list[Pair]] = defaultdict(list)
    for split in reversed(SPLITS):
        for pair in touching(splits[split], held, both=both):
            if pair.id_key() not in seen:
                seen.add(pair.id_key())
                found[split].append(pair)
    return {split: found[split] for split in SPLITS}


def held_test_pairs(
    root: Path | None, origin: str, share: float, seed: int, *, both: bool = True, all_splits: bool = False
) -> list[Pair]:
    """The test pairs of :func:`held_pairs`, or with ``all_splits`` those of all three splits, test first."""
    held = held_pairs(root, origin, share, seed, both=both)
    return [pair for split in reversed(SPLITS) if all_splits or split == "test" for pair in held[split]]


def stage_pairs(root: Path | None, stage: Stage) -> list[Pair]:
    """WDC Products pairs, each once, whose both offers are of products of one stage.

    A pair that stands in several files is a hard negative (``meta["is_hard_negative"]``) when one of them says so.
    """
    base = (root or data_root()) / "wdc-products-80cc"
    pairs: dict[tuple[str, str], Pair] = {}
    hard: set[tuple[str, str]] = set()
    for name in WDC_FILES:
        for pair in read_pairs(base / f"{name}.jsonl.gz", "wdc-products"):
            pairs.setdefault(pair.id_key(), pair)
            if pair.meta.get("is_hard_negative"):
                hard.add(pair.id_key())
    stages = stages_of_clusters({cluster for pair in pairs.values() for cluster in clusters_of(pair)})
    return [
        replace(pair, meta={**pair.meta, "is_hard_negative": ids in hard})
        for ids, pair in pairs.items()
        if {stages[cluster] for cluster in clusters_of(pair)} == {stage}
    ]


def large_pairs(root: Path | None, stage: Stage) -> list[Pair]:
    """Pairs of WDC Products' large training file, each once, whose both offers are of products of one stage.

    The file states titles alone. Which product a title is of follows from the matches that join it to offers of known
    product; pairs for which that does not name exactly one product each are left out. ``meta`` is as in
    :func:`stage_pairs`; whether a pair is a hard negative is not known.
    """
    base = (root or data_root()) / "wdc-products-80cc"
    known = [pair for name in WDC_FILES for pair in read_pairs(base / f"{name}.jsonl.gz", "wdc-products")]
    large = [_named_by_title(pair) for pair in read_pairs(base / LARGE_FILE, LARGE_ORIGIN)]
    groups = product_groups([*map(_named_by_title, known), *large])
    products: dict[str, set[str]] = defaultdict(set)
    for pair in known:
        for offer, cluster in zip((pair.left, pair.right), clusters_of(pair), strict=True):
            products[groups[title_id(offer.title)]].add(cluster)
    stages = stages_of_clusters({cluster for clusters in products.values() for cluster in clusters})
    stated = {pair.title_key() for pair in known}
    found: dict[tuple[str, str], Pair] = {}
    for pair in large:
        left, right = (products.get(groups[offer.offer_id], set()) for offer in (pair.left, pair.right))
        if len(left) == len(right) == 1 and {stages[cluster] for cluster in left | right} == {stage}:
            meta = {"cluster_id_left": min(left), "cluster_id_right": min(right)}
            if pair.title_key() not in stated:
                found.setdefault(pair.title_key(), replace(pair, meta=meta))
    return list(found.values())


def title_id(title: str) -> str:
    """An id for an offer of which only the title is known: the same for the same clean title."""
    return f"title-{hashlib.sha256(clean(title).encode()).hexdigest()[:16]}"


def _named_by_title(pair: Pair) -> Pair:
    left, right = (offer.model_copy(update={"offer_id": title_id(offer.title)}) for offer in (pair.left, pair.right))
    return replace(pair, left=left, right=right)


def clusters_of(pair: Pair) -> tuple[str, str]:
    """Product ids that WDC Products states for the left and the right offer of one of its pairs."""
    return str(pair.meta["cluster_id_left"]), str(pair.meta["cluster_id_right"])


def report_pairs(root: Path | None = None) -> list[Pair]:
    """The WDC Products pairs among the 50 products of the report: no stage of training ever saw one of their offers.

    ``meta`` holds ``is_hard_negative`` and both cluster ids.
    """
    return stage_pairs(root, "report")
