"""A real endpoint: llama.cpp's server with SmolLM2, once a run; and a proxy that makes its line bad."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.train.teacher.bad_line import BadLine


@dataclass(frozen=True)
class LlamaServer:
    """The running server. ``counted`` is its own count of tokens since its start."""

    address: str

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    def counted(self) -> tuple[int, int]:
        """(prompt tokens that it computed, tokens that it wrote)."""
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=60) as response:
            lines = [line.split() for line in response.read().decode().splitlines() if not line.startswith("#")]
        values = {line[0]: float(line[1]) for line in lines if len(line) == 2}
        return int(values["llamacpp:prompt_tokens_total"]), int(values["llamacpp:tokens_predicted_total"])


@pytest.fixture(scope="session")
def llama() -> Iterator[LlamaServer]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.train.teacher.llama_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), "the server did not start"
        yield LlamaServer(address)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def bad_line(llama: LlamaServer) -> Iterator[BadLine]:
    """A proxy before the real server; the test says what goes wrong with each request."""
    with BadLine(llama.address) as line:
        yield line
