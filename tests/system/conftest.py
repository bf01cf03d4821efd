"""Clusters for system tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.cluster import Cluster

MakeCluster = Callable[..., Cluster]


@pytest.fixture
def make_cluster(kafka: str, redis_url: str, tiny_bundle: Path) -> Iterator[MakeCluster]:
    """Makes clusters (topics, group, namespace) on the run's broker and Redis; their workers end with the test."""
    made: list[Cluster] = []

    def make(**options: Any) -> Cluster:
        cluster = Cluster(**{"bootstrap": kafka, "redis_url": redis_url, "bundle": tiny_bundle, **options})
        cluster.make_topics()
        made.append(cluster)
        return cluster

    yield make
    for cluster in made:
        cluster.close()
