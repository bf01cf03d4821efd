"""WDC's 500 products, split once for all stages: 300 SFT, 100 RL, 50 judges, 50 report.

The split is a hash of the cluster id, so that it is the same everywhere and independent of file order.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, get_args

from train.pairs.pairs import data_root, read_rows

Stage = Literal["sft", "rl", "judges", "report"]
STAGE_SIZES: dict[Stage, int] = {"sft": 300, "rl": 100, "judges": 50, "report": 50}
STAGES: tuple[Stage, ...] = get_args(Stage)
# Changing the salt changes every model's training data: it names the split.
SPLIT_SALT = "samesku-wdc80cc-1"
WDC_FILES = ("train_small", "train_medium", "valid_small", "valid_medium")


def clusters_of_offers(root: Path | None = None) -> dict[str, str]:
    """Offer id to cluster id, over all WDC Products files that state clusters."""
    base = (root or data_root()) / "wdc-products-80cc"
    clusters: dict[str, str] = {}
    for name in WDC_FILES:
        for row in read_rows(base / f"{name}.jsonl.gz"):
            for side in ("left", "right"):
                clusters[str(row[side]["id"])] = str(row["meta"][f"cluster_id_{side}"])
    return clusters


def stages_of_clusters(clusters: set[str]) -> dict[str, Stage]:
    """Cluster id to the stage that may use it.

    Raises:
        ValueError: there are not exactly as many clusters as the stages need.
    """
    if len(clusters) != sum(STAGE_SIZES.values()):
        raise ValueError(f"expected {sum(STAGE_SIZES.values())} clusters, found {len(clusters)}")
    ordered = sorted(clusters, key=lambda cluster: hashlib.sha256(f"{SPLIT_SALT}:{cluster}".encode()).digest())
    stages: dict[str, Stage] = {}
    start = 0
    for stage in STAGES:
        for cluster in ordered[start : start + STAGE_SIZES[stage]]:
            stages[cluster] = stage
        start += STAGE_SIZES[stage]
    return stages
