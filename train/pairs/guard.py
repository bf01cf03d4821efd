"""The guard: nothing is trained on what will be measured (decision 15).

A training pair is dropped when its offer ids or its two clean titles occur together in any test set, or in a
validation file that is in use for model selection or calibration.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from train.pairs.pairs import Pair, data_root, read_pairs

TEST_FILES = {
    "abt-buy": "abt-buy/test.jsonl.gz",
    "amazon-google": "amazon-google/test.jsonl",
    "wdc-computers": "wdc-lspc-computers/test.jsonl",
    "wdc-cameras": "wdc-lspc-cameras/test.jsonl",
}
VALIDATION_FILES = {
    "abt-buy": "abt-buy/valid.jsonl.gz",
    "amazon-google": "amazon-google/valid.jsonl",
    "wdc-computers": "wdc-lspc-computers/valid_medium.jsonl",
    "wdc-cameras": "wdc-lspc-cameras/valid_medium.jsonl",
}


def held_out_files(root: Path | None = None) -> dict[str, Path]:
    """Set name to its official test file."""
    return {name: (root or data_root()) / path for name, path in TEST_FILES.items()}


def validation_files(root: Path | None = None) -> dict[str, Path]:
    """Set name to the validation file that thresholds and calibration come from."""
    return {name: (root or data_root()) / path for name, path in VALIDATION_FILES.items()}


@dataclass
class Guard:
    """Pairs that must not be trained on, by ids and by titles, with a count of what was dropped from each origin."""

    ids: set[tuple[str, str]]
    titles: set[tuple[str, str]]
    dropped: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_pairs(cls, forbidden: Iterable[Pair]) -> Guard:
        guard = cls(set(), set())
        guard.add(forbidden)
        return guard

    @classmethod
    def of_data(cls, root: Path | None = None) -> Guard:
        """Every official test set, the validation files in use, and ``valid_small``, which overlaps the tests."""
        base = root or data_root()
        files = [*held_out_files(base).values(), *validation_files(base).values()]
        files += [base / f"wdc-lspc-{part}/valid_small.jsonl" for part in ("computers", "cameras")]
        return cls.from_pairs(pair for path in files for pair in read_pairs(path))

    def add(self, forbidden: Iterable[Pair]) -> None:
        """Keep these pairs out as well: the user's own test set, for example."""
        for pair in forbidden:
            self.ids.add(pair.id_key())
            self.titles.add(pair.title_key())

    def allows(self, pair: Pair) -> bool:
        """Whether the pair may be trained on."""
        return pair.id_key() not in self.ids and pair.title_key() not in self.titles

    def filter(self, pairs: Iterable[Pair]) -> list[Pair]:
        """The pairs that may be trained on; the others are counted under their origin."""
        kept: list[Pair] = []
        for pair in pairs:
            if self.allows(pair):
                kept.append(pair)
            else:
                self.dropped[pair.origin] = self.dropped.get(pair.origin, 0) + 1
        return kept
