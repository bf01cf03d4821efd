"""The pool: pairs that SFT has not seen, of the 100 products of WDC Products that are kept for RL, hard ones first.

Made of the stage's own pairs, hard negatives (the likest listings of other products), and rewritten and edited pairs
as in SFT. A share of the products is kept out of it for the panel. Everything passes the guard of the test and
validation sets, and a second one of all pairs that SFT may have seen.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from schemas.offer import Offer
from schemas.prompt import quotable
from train.pairs.augment import augment
from train.pairs.guard import Guard
from train.pairs.mining import products_known
from train.pairs.mixture import TrainingPair, known_brands
from train.pairs.pairs import Pair, data_root
from train.pairs.products import clusters_of, large_pairs, stage_pairs
from train.pairs.shares import stable_share
from train.pairs.sources import read_sources
from train.rationales.derive import derive
from train.rationales.door import ImportReport, RecordedRationales
from train.rationales.imported import imported_rows, record_of
from train.rewards import Floats, Ints
from train.rl.config import PoolConfig
from train.sft.config import SftConfig
from train.sft.validation import validation_sample

ORIGIN = "wdc-products"


class PoolError(ValueError):
    """The pool would hold what SFT has seen, or nothing at all."""


@dataclass(frozen=True)
class Panel:
    """Held-out pairs, and the product of each: pairs of one product err together.

    Attributes:
        items: with the verdicts that are known, a teacher's or derived.
        products: [pairs].
    """

    items: list[TrainingPair]
    products: Ints

    def origins(self) -> list[str]:
        return [item.pair.origin for item in self.items]


@dataclass
class Pool:
    """What is trained on and what is looked at; ``facts`` go into the run's report."""

    items: list[TrainingPair]
    panel: Panel
    facts: dict[str, Any] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 over ids, titles and labels of pool and panel, in sorted order."""
        lines = sorted(
            f"{part}\t{item.pair.pair_id}\t{item.pair.title_key()}\t{item.pair.label}"
            for part, items in (("pool", self.items), ("panel", self.panel.items))
            for item in items
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def is_panel_product(seed: int, cluster: str, share: float) -> bool:
    """Whether a product is kept for the panel."""
    return stable_share(seed, f"panel:{cluster}") < share


def hard_negatives(pairs: Sequence[Pair], per_offer: int) -> list[Pair]:
    """For each offer the likest listings of other products (cosine of character trigrams, tf-idf), as pairs.

    Labels are sure, for cluster ids state the products. What is paired already is not paired again.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import NearestNeighbors

    offers: dict[str, tuple[Offer, str]] = {}
    for pair in pairs:
        for offer, cluster in zip((pair.left, pair.right), clusters_of(pair), strict=True):
            offers.setdefault(offer.offer_id, (offer, cluster))
    if not per_offer or len(offers) < 2:
        return []
    found = list(offers.values())
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3)).fit_transform(quotable(o) for o, _ in found)
    depth = min(len(found), per_offer + 1 + max(Counter(cluster for _, cluster in found).values()))
    _, nearest = NearestNeighbors(n_neighbors=depth, metric="cosine").fit(vectors).kneighbors(vectors)
    taken = {key for pair in pairs for key in (pair.id_key(), pair.title_key())}
    made = []
    for (offer, cluster), near in zip(found, nearest, strict=True):
        others = [found[place] for place in near if found[place][1] != cluster][:per_offer]
        for other, of in others:
            pair = Pair(
                f"near:{offer.offer_id}#{other.offer_id}",
                offer.model_copy(update={"source": "left"}),
                other.model_copy(update={"source": "right"}),
                0,
                ORIGIN,
                {"cluster_id_left": cluster, "cluster_id_right": of, "is_hard_negative": True},
            )
            if pair.id_key() not in taken and pair.title_key() not in taken:
                taken |= {pair.id_key(), pair.title_key()}
                made.append(pair)
    return made


def teachers_word(pairs: Iterable[Pair], root: Path) -> tuple[RecordedRationales, ImportReport]:
    """The teachers' rationales about these pairs, found by offer ids."""
    by_ids = {pair.id_key(): pair for pair in pairs}
    records = []
    for row in imported_rows(root):
        first, second = sorted((str(row["left"]["id"]), str(row["right"]["id"])))
        if (pair := by_ids.get((first, second))) is not None:
            in_order = pair.left.offer_id == str(row["left"]["id"])
            sides = (pair.left, pair.right) if in_order else (pair.right, pair.left)
            records.append(record_of(row, *sides))
    return RecordedRationales(records), ImportReport()


def annotated(pairs: Sequence[Pair], root: Path, brands: frozenset[str]) -> list[TrainingPair]:
    """The pairs with a teacher's verdicts where there are any, else with what can be derived from the label."""
    recorded, report = teachers_word(pairs, root)
    return [
        TrainingPair(pair, recorded.targets(pair, report) or derive(pair.left, pair.right, pair.label, brands))
        for pair in pairs
    ]


def seen_by_sft(root: Path) -> Guard:
    """A guard of every pair that any SFT recipe trains on, the large file included."""
    return Guard.from_pairs(read_sources(root, large=True).pairs)


def build_pool(config: PoolConfig, panel_pairs: int, of_each_set: int, root: Path | None = None) -> Pool:
    """Read, guard, annotate and augment; the limit and the order by hardness come later (:func:`hardest_first`).

    Raises:
        PoolError: a pair is one that SFT trains on, or nothing is left.
        train.pairs.pairs.PairFileError: a file cannot be read.
    """
    base = root or data_root()
    guard, seen = Guard.of_data(base), seen_by_sft(base)
    stated = stage_pairs(base, "rl") + (large_pairs(base, "rl") if config.large else [])
    stated += hard_negatives(stage_pairs(base, "rl"), config.negatives)
    allowed = guard.filter(stated)
    overlap = [pair for pair in allowed if not seen.allows(pair)]
    if overlap:
        raise PoolError(f"{len(overlap)} pairs of the pool are among those of SFT, the first is {overlap[0].pair_id}")
    sides = {
        pair.pair_id: {is_panel_product(config.seed, cluster, config.panel_share) for cluster in clusters_of(pair)}
        for pair in allowed
    }
    brands = known_brands(allowed)
    own = annotated([pair for pair in allowed if sides[pair.pair_id] == {False}], base, brands)
    items = augment(
        own, seed=config.seed, epoch=0, noise_share=config.noise_share, edit_share=config.edit_share, brands=brands
    )
    kept = [pair for pair in allowed if sides[pair.pair_id] == {True}]
    # The large file's pairs state titles alone and have no teacher; the panel has all fields.
    kept = [pair for pair in kept if pair.origin == ORIGIN]
    kept.sort(key=lambda pair: stable_share(config.seed, f"panel-pair:{pair.pair_id}"))
    known = annotated(kept, base, brands)
    # What a teacher said is the better truth of verdicts, but it spoke of a part of the pairs alone.
    taught = [item for item in known if item.targets.source != "derived"][: panel_pairs // 2]
    chosen = {item.pair.pair_id for item in taught}
    held = taught + [item for item in known if item.pair.pair_id not in chosen][: panel_pairs - len(taught)]
    if of_each_set:
        sample = validation_sample(SftConfig(evaluate_pairs=of_each_set), base)
        held += [
            TrainingPair(pair, derive(pair.left, pair.right, pair.label, brands))
            for pairs in sample.values()
            for pair in pairs
        ]
    if not items or not held:
        raise PoolError("no pair is left to train on" if not items else "no pair is left for the panel")
    facts = {
        "stated": len(stated),
        "guarded": len(stated) - len(allowed),
        "between_pool_and_panel": sum(len(side) == 2 for side in sides.values()),
        "products": len({cluster for item in own for cluster in clusters_of(item.pair)}),
        "panel_products": len({cluster for pair in kept for cluster in clusters_of(pair)}),
        "pairs": len(items),
        "matches": sum(item.pair.label for item in items),
        "made_by_augmentation": len(items) - len(own),
        "panel": dict(Counter(item.pair.origin for item in held)),
        "panel_matches": sum(item.pair.label for item in held),
        "panel_with_a_teacher": sum(item.targets.source != "derived" for item in held),
    }
    return Pool(items, panel_of(held), facts)


def panel_of(items: list[TrainingPair]) -> Panel:
    """A panel of these pairs; the product of a pair is that of its left offer."""
    names: list[str] = []
    products = {
        origin: products_known(item.pair for item in items if item.pair.origin == origin)
        for origin in {item.pair.origin for item in items}
    }
    for item in items:
        names.append(f"{item.pair.origin}:{products[item.pair.origin][item.pair.left.offer_id]}")
    return Panel(items, np.unique(names, return_inverse=True)[1].astype(np.int64))


def hardest_first(uncertainty: Floats, config: PoolConfig, seed: int) -> list[int]:
    """Numbers of the pairs of a run, in the order of its first epoch.

    The most uncertain come first; with a limit, ``easy_share`` of it is drawn from all others by hash and spread evenly
    among them, so that every stretch of the run also holds what the student knew.

    Args:
        uncertainty: [pairs], of the SFT student.
        seed: of the draw.
    """
    order = [int(number) for number in np.argsort(-uncertainty, kind="stable")]
    limit = min(config.limit or len(order), len(order))
    easy = round(config.easy_share * limit) if limit < len(order) else 0
    hard, rest = order[: limit - easy], order[limit - easy :]
    drawn = sorted(rest, key=lambda number: stable_share(seed, f"easy:{number}"))[:easy]
    places = np.linspace(0, len(hard), num=len(drawn), endpoint=False).astype(int).tolist()
    mixed = list(hard)
    for shift, (place, number) in enumerate(zip(places, drawn, strict=True)):
        mixed.insert(place + shift, number)
    return mixed
