"""How large is a decision in the audit store, how fast is `samesku why`, and does either change as the store grows?

    .venv/bin/python -m benchmarks.audit --sizes 1 3 10 --out docs/benchmarks/audit.json

Makes a store of synthetic decisions (millions) in a temporary folder, merges it as a sink and `samesku audit compact`
would, and asks for random pairs: each time as a new process would, with a new connection and nothing in memory but what
the operating system keeps of the files. Needs 400 bytes of disk a decision while it runs, and no broker.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from rich.console import Console
from rich.progress import Progress

from benchmarks.audit_making import Catalogue, Numbers, catalogue, decisions_table, offers_table, partitions_of
from benchmarks.output import add_out, surroundings
from benchmarks.output import write as write_report
from schemas.decision import MatchDecision
from schemas.events import dumps
from worker.audit.chain import Segment
from worker.audit.columns import bytes_of, row_of
from worker.audit.compaction import compact
from worker.audit.contents import Contents
from worker.audit.history import history
from worker.audit.layout import segment_name
from worker.audit.parquet import writing
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, OFFERS

PARTITIONS = 6
# Decisions of one flush over all partitions.
CHUNK = 200_000
ASKED = 200
PART_ROWS = 250_000
# An offer takes part in so many decisions.
PER_OFFER = 20
RECENT = 12
"""Flushes since the last merge, of `RECENT_ROWS` decisions over all partitions each."""
RECENT_ROWS = 6_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=float, nargs="+", default=[1.0], help="millions of decisions")
    parser.add_argument("--folder", type=Path, help="where the stores are made; default: a temporary folder")
    parser.add_argument(
        "--keep", action="store_true", help="leave the stores in --folder, and ask those that are there"
    )
    add_out(parser)
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.keep and arguments.folder is None:
        parser.error("--keep needs --folder")
    results = []
    facts = surroundings("audit")
    for size in arguments.sizes:
        total = int(size * 1_000_000)
        if arguments.keep:
            results.append(measure(arguments.folder / f"audit-{total}", total, arguments.seed))
        else:
            with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="audit-") as root:
                results.append(measure(Path(root), total, arguments.seed))
        sys.stderr.write(f"{orjson.dumps(results[-1]).decode()}\n")
        write_report(report(results, facts), arguments.out)
    if not arguments.out:
        print(orjson.dumps(report(results, facts), option=orjson.OPT_INDENT_2).decode())


def report(results: list[dict[str, Any]], facts: dict[str, Any]) -> dict[str, Any]:
    return {**facts, "partitions": PARTITIONS, "part_rows": PART_ROWS, "stores": results}


def measure(root: Path, total: int, seed: int) -> dict[str, Any]:
    """Make one store, unless it is there, and ask it."""
    store = AuditStore(str(root), memory_mb=1_024)
    made = catalogue(max(1_000, total // PER_OFFER))
    facts_file = root / "made.json"
    if not facts_file.exists():
        facts_file.write_bytes(orjson.dumps(make(store, root, made, total)))
    facts = orjson.loads(facts_file.read_bytes())
    chance = random.Random(seed)
    pairs = [pair_at(made, chance.randrange(int(total * 0.5)), total) for _ in range(ASKED)]
    return {
        "decisions": total, "offers": len(made.keys), **facts,
        "bytes_of_json": json_bytes(store, pairs), "files": len(store.all_files(DECISIONS)),
        "why_ms": latency(lambda a, b: history(AuditStore(str(root)), a, b), pairs),
        "why_never_compared_ms": latency(
            lambda a, b: history(AuditStore(str(root)), a, b), [(a, f"{b}x") for a, b in pairs[:50]]
        ),
        "contents_by_digest_ms": latency(
            lambda a, b: Contents(str(root)).get(list(made.digests[:2])), pairs[:20]
        ),
        "command_s": command_seconds(root, pairs[:5]),
        "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip


def make(store: AuditStore, root: Path, made: Catalogue, total: int) -> dict[str, Any]:
    """Everything merged, and a few recent files after it; returns sizes and times of that."""
    began, cpu = time.perf_counter(), time.process_time()
    store.claim({"match.decisions": "benchmark"}, {"decisions": PARTITIONS, "offers": PARTITIONS})
    fill(store, made, total)
    filled, cpu_filled = time.perf_counter(), time.process_time()
    for table in (DECISIONS, OFFERS):
        for partition in store.partitions(table):
            compact(store, table, partition, fan=8, part_rows=PART_ROWS, full=True)
    merged, cpu_merged = time.perf_counter(), time.process_time()
    facts = {
        "bytes_per_decision": round(folder_bytes(root / "decisions") / total, 1),
        "bytes_per_content": round(folder_bytes(root / "offers") / len(made.keys), 1),
        "generate_s": round(filled - began, 1), "generate_cpu_s": round(cpu_filled - cpu, 1),
        "compact_s": round(merged - filled, 1), "compact_cpu_s": round(cpu_merged - cpu_filled, 1),
    }  # fmt: skip
    for number in range(RECENT):
        flush(store, made, np.arange(number, total, total // RECENT_ROWS), total)
    return facts


def fill(store: AuditStore, made: Catalogue, total: int) -> None:
    """All decisions in order of time, as a sink would have written them, and the contents."""
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("making decisions", total=total)
        for start in range(0, total, CHUNK):
            flush(store, made, np.arange(start, min(total, start + CHUNK)), total)
            progress.advance(task, CHUNK)
    places = partitions_of(pa.array(made.keys, pa.string()), PARTITIONS)
    for partition in range(PARTITIONS):
        numbers = np.flatnonzero(places == partition)
        write(store, OFFERS, partition, Segment(0, len(numbers)), offers_table(made, numbers, partition))


def flush(store: AuditStore, made: Catalogue, numbers: Numbers, total: int) -> None:
    """One file a partition of these decisions, each in the partition of its pair."""
    rows = decisions_table(made, numbers, total)
    places = partitions_of(rows.column("pair_id").combine_chunks(), PARTITIONS)
    for partition in range(PARTITIONS):
        part = rows.filter(pa.array(places == partition))
        start = store.end(DECISIONS, partition)
        # Offsets without holes, in the order of the decisions' numbers.
        offsets = start + np.argsort(np.argsort(part.column("offset").to_numpy()))
        part = part.set_column(1, "offset", pa.array(offsets))
        part = part.set_column(0, "partition", pa.array(np.full(part.num_rows, partition, np.int32)))
        write(store, DECISIONS, partition, Segment(start, start + part.num_rows), part)


def write(store: AuditStore, table: Any, partition: int, segment: Segment, rows: Any) -> None:
    with store.folder.creating(segment_name(table, partition, segment)) as out, writing(table, out) as writer:
        writer.write(rows)


def pair_at(made: Catalogue, number: int, total: int) -> tuple[str, str]:
    """Both offers of a decision."""
    rows = decisions_table(made, np.array([number]), total)
    first, second = rows.column("pair_id")[0].as_py().split("#")
    return first, second


def json_bytes(store: AuditStore, pairs: list[tuple[str, str]]) -> float:
    """Mean bytes of the published events; each is proved to be one, and to be what its row gives back."""
    sizes = []
    for a, b in pairs[:20]:
        for row in store.pair(f"{a}#{b}"):
            data = bytes_of(row)
            assert dumps(MatchDecision.model_validate_json(data)) == data
            assert bytes_of(row_of(data)) == data
            sizes.append(len(data))
    return round(statistics.fmean(sizes), 1)


def latency(ask: Callable[[str, str], Any], pairs: list[tuple[str, str]]) -> dict[str, float]:
    """Milliseconds of each question: quantiles, the very first, and of the processors' time the median.

    That one is what a machine with other work to do can still say.
    """
    times, cpu = [], []
    for a, b in pairs:
        gc.collect()
        began, spent = time.perf_counter(), time.process_time()
        ask(a, b)
        times.append(1_000 * (time.perf_counter() - began))
        cpu.append(1_000 * (time.process_time() - spent))
    cuts = statistics.quantiles(times, n=100)
    return {
        "first": round(times[0], 1), "p50": round(cuts[49], 1), "p95": round(cuts[94], 1), "p99": round(cuts[98], 1),
        "max": round(max(times), 1), "cpu_p50": round(statistics.median(cpu), 1), "asked": len(times),
    }  # fmt: skip


def command_seconds(root: Path, pairs: list[tuple[str, str]]) -> dict[str, float]:
    """Seconds of the whole command, Python's start and imports included."""
    times = []
    for a, b in pairs:
        began = time.perf_counter()
        subprocess.run(
            [Path(sys.executable).with_name("samesku"), "why", a, b, "--stored-only"],
            env={**os.environ, "SAMESKU_AUDIT__ROOT": str(root)}, check=True, capture_output=True,
        )  # fmt: skip
        times.append(time.perf_counter() - began)
    return {"median": round(statistics.median(times), 2), "max": round(max(times), 2)}


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
