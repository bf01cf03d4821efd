"""A worker starts without the packages of an extra, and the commands that need them name the extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Block())
"""
PACKAGES = {
    "audit": {"duckdb", "pyarrow", "fsspec", "pytz"},
    "review": {"fastapi", "starlette", "uvicorn", "argon2", "itsdangerous", "limits", "jinja2", "sklearn"},
}
IMPORTED = {
    "audit": "import worker.stream, samesku.commands.worker, samesku.commands.matches, worker.audit",
    "review": "import worker.stream, samesku.commands.worker, samesku.commands.review, worker.review.database",
}


def run(extra: str, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK.format(blocked=PACKAGES[extra]) + program],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("extra", PACKAGES)
def test_the_worker_needs_none_of_them(extra: str) -> None:
    done = run(extra, IMPORTED[extra])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("audit", ["why", "a:1", "b:1"]),
        ("audit", ["audit", "query", "SELECT 1"]),
        ("review", ["review", "users", "add", "anna", "--database", "review.db"]),
    ],
)
def test_the_extra_is_named(extra: str, arguments: list[str], tmp_path: Path) -> None:
    arguments = [str(tmp_path / each) if each == "review.db" else each for each in arguments]
    done = run(extra, f"from samesku.cli import main; main({arguments!r})")
    assert done.returncode == 1
    assert f"install samesku[{extra}]" in done.stderr
