"""The pairs of the data folder that may be trained on, as their files state them: guarded, without held products.

Sources: the train splits of Abt-Buy and Amazon-Google, WDC LSPC computers and cameras (medium and small), and WDC
Products pairs whose both products belong to the SFT stage.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from train.pairs.guard import Guard
from train.pairs.pairs import Pair, read_pairs
from train.pairs.products import SPLIT_FILES, held_offers_of, split_files, stage_pairs, touching

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
        kept = []
        for pair in pairs:
            if pair.origin in self.left_out:
                continue
            if touching([pair], self.held.get(pair.origin, frozenset()), both=False):
                self.held_out[pair.origin] = self.held_out.get(pair.origin, 0) + 1
                continue
            kept.append(pair)
        return self.guard.filter(kept)


def _unique(pairs: Iterable[Pair]) -> list[Pair]:
    return list({(*pair.title_key(), pair.left.description or ""): pair for pair in pairs}.values())


def read_sources(
    base: Path, *, leave_out: Collection[str] = (), hold_products: float = 0.0, hold_seed: int = 17
) -> TrainingSources:
    """Read every source that is not left out; the arguments are those of ``build_mixture``.

    Raises:
        ValueError: an origin to leave out is not known, or ``hold_products`` is no share below 1.
        PairFileError: a file is missing or broken.
    """
    unknown = set(leave_out) - set(ORIGINS)
    if unknown:
        raise ValueError(f"leave_out: no origin {', '.join(sorted(unknown))!r} (known: {', '.join(ORIGINS)})")
    sources = TrainingSources([], Guard.of_data(base), left_out=tuple(sorted(set(leave_out))))
    for origin in (name for name in SPLIT_FILES if name not in leave_out):
        if hold_products:
            sources.held[origin] = held_offers_of(base, origin, hold_products, hold_seed)
        files = split_files(origin)["train"]
        sources.pairs += sources.allowed(_unique(pair for file in files for pair in read_pairs(base / file, origin)))
    if "wdc-products" not in leave_out:
        sources.pairs += sources.allowed(stage_pairs(base, "sft"))
    return sources
