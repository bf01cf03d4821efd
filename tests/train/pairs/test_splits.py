from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from train.pairs.splits import STAGE_SIZES, clusters_of_offers, stages_of_clusters

CLUSTERS = [str(number) for number in range(500)]


def test_every_cluster_belongs_to_one_stage() -> None:
    stages = stages_of_clusters(set(CLUSTERS))
    assert set(stages) == set(CLUSTERS)
    assert Counter(stages.values()) == {"sft": 300, "rl": 100, "judges": 50, "report": 50} == STAGE_SIZES


def test_the_split_is_always_the_same() -> None:
    stages = stages_of_clusters(set(CLUSTERS))
    text = ",".join(f"{cluster}:{stages[cluster]}" for cluster in CLUSTERS)
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "e2a07393ccaf8bc37d170f16d8665f300c23c902e6ef9ca0d825518704d33549"
    )


def test_another_number_of_clusters_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 500 clusters, found 499"):
        stages_of_clusters(set(CLUSTERS[1:]))


def test_the_split_of_the_real_clusters(data_dir: Path) -> None:
    clusters = clusters_of_offers(data_dir)
    stages = stages_of_clusters(set(clusters.values()))
    text = ",".join(f"{cluster}:{stage}" for cluster, stage in sorted(stages.items()))
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "ac9a9593e91836f34a5075a892dcbbe4a6c73195ef06fba01fcc7f192d9762d1"
    )
