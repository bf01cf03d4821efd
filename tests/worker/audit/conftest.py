"""Stores to test with: a local folder, and an object store (fsspec's, in memory)."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from worker.audit.store import AuditStore


@pytest.fixture
def store(tmp_path: Path) -> AuditStore:
    """An empty store in a local folder."""
    made = AuditStore(str(tmp_path / "audit"), memory_mb=256, threads=1)
    made.claim({"match.decisions": "id1"})
    return made


@pytest.fixture(params=["local", "object storage"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> AuditStore:
    """An empty store in each kind of place."""
    root = str(tmp_path / "audit") if request.param == "local" else f"memory://audit/{uuid.uuid4().hex}"
    made = AuditStore(root, memory_mb=256, threads=1)
    made.claim({"match.decisions": "id1"})
    return made
