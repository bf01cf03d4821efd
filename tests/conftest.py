"""Real parts for every test that needs them; each starts on first use and ends with the run."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from samesku.embedded.kafka import EmbeddedKafka
from samesku.embedded.redis import DATABASES, EmbeddedRedis
from schemas.grammar import GRAMMAR_HASH
from schemas.prompt import PROMPT_HASH

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


def _sources_of_a_student() -> str:
    """Names what a tiny student is made from and by, so that one is used again only while that is the same."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256(f"{PROMPT_HASH}{GRAMMAR_HASH}".encode())
    files = [
        root / "schemas" / "bundle.py",
        *(root / "export").glob("*.*"),
        *(root / "worker" / "student").glob("*.py"),
    ]
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


# A run that began before the last change of a source may still use the student of that time.
KEPT_STUDENTS = 3


@pytest.fixture(scope="session")
def tiny_student(request: pytest.FixtureRequest) -> Path:
    """A folder with a tiny student that went through the real export: `base`, `adapter`, `bundle`, `tiny` (recipe).

    Made once for the same prompt, export and worker/student (half a minute), then kept in pytest's cache.
    Do not write to it.
    """
    cache: Path = request.config.cache.mkdir("tiny-student")
    folder = cache / _sources_of_a_student()
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            from export.tiny import export_tiny

            made = sorted((path for path in cache.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
            for old in made[: -KEPT_STUDENTS + 1]:
                shutil.rmtree(old)
            making = cache / "making"
            shutil.rmtree(making, ignore_errors=True)  # of a run that was killed
            export_tiny(making)
            making.rename(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tiny_student: Path) -> Path:
    """The tiny student's bundle: quick, reproducible, its verdicts vary and mean nothing. Do not write to it."""
    return tiny_student / "bundle"


@pytest.fixture(scope="session")
def default_bundle() -> Path:
    """The released student's bundle, built on first use into the cache, as a user's is. Do not write to it."""
    from worker.student.locate import DEFAULT_STUDENT, RECIPES, find_bundle

    if not (RECIPES / DEFAULT_STUDENT).is_dir():
        pytest.skip("no student has been released: models/ holds no recipe")
    return find_bundle("default")
