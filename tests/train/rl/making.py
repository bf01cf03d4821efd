"""What the tests of RL share: a judge that goes by rules, a pool of the committed pairs, a tiny student."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.tiny import make_random_adapter
from export.verify import frozen_pairs
from schemas.evidence import compare
from schemas.rationale import ATTRIBUTES, Attribute
from train.judges.claims import Claim
from train.judges.interface import JudgeName
from train.pairs.mixture import TrainingPair
from train.pairs.pairs import Pair
from train.rationales.derive import derive
from train.rl.config import RlConfig
from train.rl.pool import Pool, panel_of


@dataclass
class RuleJudge:
    """Holds ``same`` for right where the listings share a code or words, ``different`` where not; counts its work."""

    name: JudgeName = "core_identity"
    attributes: tuple[Attribute, ...] = ATTRIBUTES
    leaning: float = 0.9
    asked: int = 0

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.name} {self.attributes} {self.leaning}".encode()).hexdigest()

    def score(self, claims: Sequence[Claim]) -> np.ndarray[Any, np.dtype[np.float64]]:
        self.asked += len(claims)
        found = []
        for claim in claims:
            evidence = compare(claim.left, claim.right)
            alike = bool(evidence.codes_shared) or evidence.word_overlap >= 4
            right = claim.verdict == ("same" if alike else "different")
            found.append(0.3 if claim.verdict == "unknown" else self.leaning if right else 1 - self.leaning)
        return np.array(found)


def training_pair(number: int, label: int | None = None, origin: str = "frozen") -> TrainingPair:
    """A committed pair as a training pair."""
    item = frozen_pairs()[number]
    said = number % 2 if label is None else label
    pair = Pair(str(number), item.query, item.candidate, said, origin)
    return TrainingPair(pair, derive(item.query, item.candidate, said, frozenset()))


def tiny_pool(pairs: int = 12, panel: int = 8) -> Pool:
    items = [training_pair(number) for number in range(pairs)]
    return Pool(items, panel_of([training_pair(number) for number in range(pairs, pairs + panel)]), {"pairs": pairs})


def tiny_config(base: Path, adapter: Path, **values: Any) -> RlConfig:
    fixed: dict[str, Any] = {
        "base": str(base), "adapter": adapter, "first_layer": 1, "rows_per_step": 2, "threads": 1, "steps": 4,
        "save_steps": 2, "learning_rate": 1e-2, "panel": {"every": 2, "pairs": 8}, "judges": (), "held_out_judges": (),
    }  # fmt: skip
    return RlConfig.model_validate({**fixed, **values})


def tiny_adapter(base: Path, folder: Path) -> Path:
    """A random adapter of a tiny base."""
    return make_random_adapter(base, folder)
