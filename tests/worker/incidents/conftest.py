"""An empty store in a local folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.audit.store import AuditStore


@pytest.fixture
def store(tmp_path: Path) -> AuditStore:
    made = AuditStore(str(tmp_path / "audit"), memory_mb=256, threads=1)
    made.claim({"match.decisions": "id1"})
    return made
