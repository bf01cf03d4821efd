"""How long does `samesku worker` need from its start to its first poll, with a built bundle? The claim: under 5 s.

    .venv/bin/python -m benchmarks.startup [--bundle DIR] [--runs 3] [--out startup.json]

On an embedded broker and Redis that are up. Cold: the bundle's and the environment's files are put out of the page
cache before the start, so that they come from the disk; warm: they are in it. The times are the worker's own log lines,
counted from the moment before the process was made. `docs/benchmarks.md` says what each number means.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from benchmarks import live, output
from samesku.demo.serving import (
    WorkerEnded,
    check_alive,
    running_worker,
    terminated_like_interrupted,
    worker_environment,
)
from samesku.errors import CommandError
from samesku.progress import BytesProgress
from schemas.bundle import BundleError, load_manifest
from schemas.settings import Settings, load_settings
from worker.student.locate import find_bundle

CLAIM_SECONDS = 5.0
TIMEOUT_SECONDS = 120.0
POLL_SECONDS = 0.05

# The worker's log lines that end a stage, in their order, and what was done until then.
STAGES = {
    "starting": "imports, bundle hashed and loaded, topics and Redis checked",
    "worker_started": "transactions open, subscribed: the first poll follows",
    "partitions_assigned": "member of the group, partitions owned",
}
FIRST_POLL = "worker_started"


class _NotYet(Exception):
    pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="default", help="folder of a bundle, or 'default' (the committed student)")
    parser.add_argument("--runs", type=int, default=3, help="starts of each kind")
    output.add_out(parser)
    args = parser.parse_args()
    if args.runs < 1:
        parser.error("--runs must be at least 1")
    try:
        with terminated_like_interrupted():
            report = run(args.bundle, args.runs, Console(stderr=True, highlight=False))
    except (CommandError, BundleError, WorkerEnded, OSError, _NotYet) as error:
        sys.exit(f"startup: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    show(report, Console(highlight=False))
    output.write(report, args.out)


def run(name: str, runs: int, console: Console) -> dict[str, Any]:
    """Start and stop workers, one after the other. Raises what `main` tells of."""
    report = output.surroundings("startup")
    settings = load_settings()
    cache = Path(settings.student.cache_dir) if settings.student.cache_dir else None
    with BytesProgress(console, "building the bundle") as building:
        bundle = find_bundle(name, building, cache)
    starts: dict[str, list[dict[str, float]]] = {"new_broker": [], "cold": [], "warm": []}
    with live.services(settings) as ours:
        # A broker's first transaction waits for its own topics of transactions and offsets; that is not the worker's.
        plan = ["new_broker", *(["cold"] * runs), *(["warm"] * runs)]
        for kind in plan:
            if kind == "cold":
                evict(_files(bundle))
            starts[kind].append(start_once(ours, bundle))
            console.print(f"{kind}: first poll after {starts[kind][-1][FIRST_POLL]:.2f} s")
    size = sum(file.stat().st_size for file in bundle.iterdir())
    facts = output.bundle_facts(load_manifest(bundle)) | {"bytes": size}
    return report | {"bundle": facts, "claim_seconds": CLAIM_SECONDS, "starts": starts, "summary": summary(starts)}


def start_once(settings: Settings, bundle: Path) -> dict[str, float]:
    """One start and a clean end: seconds until each stage, CPU seconds of all threads, megabytes from the disk.

    Raises WorkerEnded, EmbeddedError, and _NotYet when it takes too long.
    """
    environment = worker_environment(settings, str(bundle)) | {
        "SAMESKU_LOG__LEVEL": "info",
        "SAMESKU_LOG__JSON_LINES": "true",
    }
    began = time.time()
    with running_worker(environment) as process:
        patient = Retrying(
            retry=retry_if_exception_type(_NotYet), stop=stop_after_delay(TIMEOUT_SECONDS),
            wait=wait_fixed(POLL_SECONDS), reraise=True,
        )  # fmt: skip

        def reached() -> dict[str, float]:
            check_alive(process)
            found = stages(process.log.read_bytes().splitlines(), began)
            if missing := STAGES.keys() - found.keys():
                raise _NotYet(f"no {', '.join(sorted(missing))} within {TIMEOUT_SECONDS:.0f} s:\n{process.tail()}")
            return found

        found = patient(reached)
        return found | {
            "cpu_seconds": cpu_seconds(process.pid),
            "disk_megabytes": read_from_disk(process.pid),
            "load_average": round(os.getloadavg()[0], 2),
        }


def stages(lines: Iterable[bytes], began: float) -> dict[str, float]:
    """Seconds from `began` (Unix time) to the first log line of each stage that is there. Other lines are skipped."""
    found: dict[str, float] = {}
    for line in lines:
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # librdkafka's own words, or half a line
        if isinstance(entry, dict) and (event := entry.get("event")) in STAGES and event not in found:
            found[event] = round(datetime.fromisoformat(entry["timestamp"]).timestamp() - began, 3)
    return found


def summary(starts: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Median, fastest and slowest seconds to the first poll, and whether the slowest keeps the claim.

    Of cold and warm starts: on a new broker it is the broker that is waited for.
    """
    found: dict[str, Any] = {}
    for kind in ("cold", "warm"):
        if seconds := [run[FIRST_POLL] for run in starts.get(kind, ())]:
            found[kind] = {
                "median": round(statistics.median(seconds), 3),
                "fastest": min(seconds),
                "slowest": max(seconds),
                "under_claim": max(seconds) < CLAIM_SECONDS,
            }
    return found


def evict(files: Iterable[Path]) -> int:
    """Ask the kernel to drop these files from its page cache; returns how many bytes they hold.

    Pages that another process has mapped stay: what really came from the disk is in `disk_megabytes`.
    """
    total = 0
    for file in files:
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except OSError:
            continue  # gone meanwhile, not ours to read, or a folder
        try:
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            total += os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
    return total


def cpu_seconds(pid: int) -> float:
    """CPU time of a process's threads so far (utime and stime of /proc/PID/stat); -1 if unknown.

    Far below the wall clock where others were at work on the machine, or the disk was waited for.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return -1.0
    # The command's name stands in brackets and may hold spaces; utime and stime are the 14th and 15th field.
    fields = text.rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)


def read_from_disk(pid: int) -> float:
    """Megabytes that a process has had fetched from storage so far (`read_bytes` of /proc/PID/io); -1 if unknown."""
    try:
        text = Path(f"/proc/{pid}/io").read_text()
    except OSError:
        return -1.0
    values = dict(line.split(": ") for line in text.splitlines())
    return round(int(values["read_bytes"]) / 1e6, 1)


def _files(bundle: Path) -> Iterator[Path]:
    """What a start reads: the bundle, our code, the standard library, and the packages of the serving install only."""
    root = Path(__file__).parents[1]
    for folder in (bundle, *(root / name for name in ("schemas", "worker", "samesku"))):
        yield from (file for file in folder.rglob("*") if file.is_file())
    library = Path(sysconfig.get_path("stdlib"))
    yield from (file for file in library.rglob("*.*") if not {"site-packages", "dist-packages"} & set(file.parts))
    for line in (root / "requirements" / "serve.txt").read_text().splitlines():
        if (name := line.partition("==")[0].strip()) and not name.startswith("#"):
            yield from (Path(str(file.locate())) for file in metadata.distribution(name).files or ())


def show(report: dict[str, Any], console: Console) -> None:
    """The report for a person."""
    bundle = report["bundle"]
    megabytes = bundle["bytes"] / 1e6
    table = Table(title=f"Start of samesku worker with {bundle['name']} {bundle['version']}, {megabytes:.0f} MB")
    for name in ("start", "first poll, s", "assigned, s", "student loaded, s", "CPU, s", "disk, MB"):
        table.add_column(name, justify="left" if name == "start" else "right")
    for kind, runs in report["starts"].items():
        for each in runs:
            seconds = (f"{each[name]:.2f}" for name in (FIRST_POLL, "partitions_assigned", "starting", "cpu_seconds"))
            table.add_row(kind.replace("_", " "), *seconds, f"{each['disk_megabytes']:.0f}")
    console.print(table)
    for kind, found in report["summary"].items():
        words = f"{found['median']:.2f} s in the median, {found['slowest']:.2f} s at most"
        verdict = "kept" if found["under_claim"] else "NOT kept"
        console.print(f"{kind.replace('_', ' ')}: {words}; under {report['claim_seconds']:.0f} s: {verdict}")


if __name__ == "__main__":
    main()
