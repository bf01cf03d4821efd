"""What every benchmark's JSON says about where it was run, and how it is written."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from schemas.bundle import BundleManifest
from schemas.events import format_time


def surroundings(benchmark: str) -> dict[str, Any]:
    """Name, time, commit and machine. The load average says who else was at work when it began."""
    return {
        "benchmark": benchmark,
        "at": format_time(datetime.now(UTC)),
        "commit": _commit(),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "load_average": round(os.getloadavg()[0], 2),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()}",
        },
    }


def bundle_facts(manifest: BundleManifest) -> dict[str, str]:
    """Which student it was."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "digest": manifest.digest(),
        "precision": manifest.precision,
    }


def add_out(parser: argparse.ArgumentParser) -> None:
    """The option that every benchmark has."""
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all that was measured here, as JSON")


def write(report: dict[str, Any], path: Path | None) -> None:
    """Write the report, if somebody wants it. Raises OSError."""
    if path is not None:
        path.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str | None:
    """The checkout's commit, with a plus where files differ from it; None outside of one."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=False, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
