from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.review.making import NOW, PASSWORD, Clock
from worker.review import accounts
from worker.review.database import Database


@pytest.fixture(scope="package")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with users anna (reviewer), lea (lead) and root (admin): their passwords take long to hash."""
    path = tmp_path_factory.mktemp("seeded") / "review.db"
    made = Database(path)
    with made.write() as connection:
        for name, role in (("anna", "reviewer"), ("lea", "lead"), ("root", "admin")):
            accounts.add(connection, NOW, name, role, PASSWORD, 12, "test")
    made.close()
    return path


@pytest.fixture
def peopled(seeded: Path, tmp_path: Path) -> Iterator[Database]:
    """A copy of it."""
    made = Database(shutil.copy(seeded, tmp_path / "peopled.db"))
    yield made
    made.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "review.db")
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()
