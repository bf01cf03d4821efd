"""A worker starts without the packages of the audit store, and the commands that need them say so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

BLOCK = """
import sys

BLOCKED = {"duckdb", "pyarrow", "fsspec", "pytz"}

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Block())
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK + program], capture_output=True, text=True, cwd=ROOT, check=False
    )  # fmt: skip


def test_the_worker_and_its_command_need_none_of_them() -> None:
    done = run("import worker.stream, samesku.commands.worker, samesku.commands.matches, worker.audit")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["why", "a:1", "b:1"], ["audit", "query", "SELECT 1"]])
def test_the_extra_is_named(arguments: list[str]) -> None:
    done = run(f"from samesku.cli import main; main({arguments!r})")
    assert done.returncode == 1
    assert "install samesku[audit]" in done.stderr
