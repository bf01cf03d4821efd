"""The pairs of the data folder that may be trained on, as their files state them: guarded, without held products.

Sources: the train splits of Abt-Buy and Amazon-Google, WDC LSPC computers and cameras (medium and small), and WDC
Products pairs whose both products belong to the SFT stage.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from train.pairs.guard import Guard
from train.pairs.loading import load_pairs
from train.pairs.pairs import Pair, read_pairs
from train.pairs.products import SPLIT_FILES, held_offers_of, large_pairs, split_files, stage_pairs

ORIGINS = (*SPLIT_FILES, "wdc-products")


@dataclass
class TrainingSources:
    """What was read.

    Attributes:
        pairs: as in their files, in a fixed order.
        guard: what must not be trained on; it counts by origin what it dropped.
        held_out: by origin, pairs dropped because they touch a product held out.
        held: by origin, the ids of those products' offers.
        left_out: origins that were not read at all.
    """

    pairs: list[Pair]
    guard: Guard
    held_out: dict[str, int] = field(default_factory=dict)
    held: dict[str, frozenset[str]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def allowed(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Those of other pairs of the same origins that keep to what was left out, held out and guarded."""
        return self.guard.filter(self.without_held(pair for pair in pairs if pair.origin not in self.left_out))

    def without_held(self, pairs: Iterable[Pair]) -> list[Pair]:
        """The pairs that touch no offer of a product held out; the others are counted under their origin."""
        kept = []
        for pair in pairs:
            if {pair.left.offer_id, pair.right.offer_id} & self.held.get(pair.origin, frozenset()):
                self.held_out[pair.origin] = self.held_out.get(pair.origin, 0) + 1
            else:
                kept.append(pair)
        return kept


def read_sources(
    base: Path,
    *,
    leave_out: Collection[str] = (),
    hold_products: float = 0.0,
    hold_seed: int = 17,
    large: bool = False,
    files: Sequence[Path] = (),
    held_out_files: Sequence[Path] = (),
) -> TrainingSources:
    """Read every source that is not left out, then the user's own files; arguments are those of ``build_mixture``.

    Raises:
        ValueError: an origin to leave out is not known, or ``hold_products`` is no share below 1.
        PairFileError: a file is missing or broken.
    """
    unknown = set(leave_out) - set(ORIGINS)
    if unknown:
        raise ValueError(f"leave_out: no origin {', '.join(sorted(unknown))!r} (known: {', '.join(ORIGINS)})")
    # Whoever trains on files of their own alone needs none of the data folder.
    guard = Guard.of_data(base) if base.is_dir() or len(set(leave_out)) < len(ORIGINS) else Guard.from_pairs([])
    guard.add(pair for path in held_out_files for pair in read_pairs(path))
    sources = TrainingSources([], guard, left_out=tuple(sorted(set(leave_out))))
    for origin in (name for name in SPLIT_FILES if name not in leave_out):
        if hold_products:
            sources.held[origin] = held_offers_of(base, origin, hold_products, hold_seed)
        own = load_pairs((base / file for file in split_files(origin)["train"]), guard, origin)
        sources.pairs += sources.without_held(own)
    if "wdc-products" not in leave_out:
        sources.pairs += guard.filter(stage_pairs(base, "sft"))
        if large:
            sources.pairs += guard.filter(large_pairs(base, "sft"))
    for file in files:
        sources.pairs += load_pairs([file], guard)
    return sources
