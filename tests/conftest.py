"""Real parts for every test that needs them; each starts on first use and ends with the run."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from samesku.embedded.kafka import EmbeddedKafka
from samesku.embedded.redis import DATABASES, EmbeddedRedis

DATA_BESIDE_REPOSITORY = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[EmbeddedKafka]:
    """The run's own broker. A test that stops or kills a broker starts its own instead."""
    with EmbeddedKafka() as server:
        yield server


@pytest.fixture(scope="session")
def kafka(kafka_server: EmbeddedKafka) -> str:
    """Bootstrap servers of the run's broker; use a topic prefix and a group of your own."""
    return kafka_server.address


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """The run's own Redis. A test that stops or empties a Redis starts its own instead."""
    with EmbeddedRedis() as server:
        yield server


_databases = itertools.cycle(range(DATABASES))


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """The URL of an empty logical database that no other running test uses."""
    url = redis_server.url(next(_databases))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of public pair sets: SAMESKU_DATA, or the one beside the checkout; skips when there is none."""
    configured = os.environ.get("SAMESKU_DATA")
    folder = Path(configured) if configured else DATA_BESIDE_REPOSITORY
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} is missing (set SAMESKU_DATA)")
    return folder
