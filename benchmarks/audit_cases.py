"""The five cases of docs/audit.md, played by the real parts: `samesku why` on each, as it prints it.

    .venv/bin/python -m benchmarks.audit_cases [--before BUNDLE] [--after BUNDLE] [--write]

An embedded Kafka and Redis, a sink, and two workers one after the other: the bundle before, then the one in force. A
dozen listings of two sellers; one is withdrawn, two are sent again after the upgrade. `--write` puts the texts into the
page. Needs some minutes, most of it the bundles' start.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from rich.console import Console

from benchmarks import live
from samesku.demo.reader import Reader
from samesku.demo.serving import running_worker, worker_environment
from samesku.load.changes import Ready
from schemas.answer import Answer
from schemas.change import CatalogChange
from schemas.decision import MatchDecision
from schemas.events import dumps
from schemas.offer import Offer
from schemas.settings import Settings, load_settings
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS
from worker.registry.locations import locate

PAGE = Path(__file__).parents[1] / "docs" / "audit.md"
K = 3
SECONDS = 300.0


def offer(key: str, title: str, **more: str) -> Offer:
    source, _, name = key.partition(":")
    return Offer.model_validate({"source": source, "offer_id": name, "title": title, **more})


CATALOGUE = [
    offer("abt:camera", "Sony Cyber-shot DSC-W120 Digital Camera - Black - DSCW120B", price="199.00"),
    offer("buy:camera", "Sony Cyber-shot DSC-W120 7.2MP Digital Camera DSCW120B Black", brand="Sony", price="178.99"),
    offer("buy:camera-pink", "Sony Cyber-shot DSC-W130 8.1MP Digital Camera DSCW130P Pink", brand="Sony"),
    offer("abt:tv", "Panasonic Viera 42' Plasma HDTV - TH42PX80U", price="999.00"),
    offer("buy:tv", "Panasonic VIERA TH-42PX80U 42 Plasma TV", brand="Panasonic"),
    offer("abt:speaker", "Bose Acoustimass 5 Series III Speaker System - AM53BK", description="Black finish"),
    offer("buy:speaker", "Bose Acoustimass 5 Series III Speaker System AM53BK", brand="Bose", price="599.00"),
    offer("buy:washer", "LG 4.0 cu. ft. Front Load Steam Washer WM2701HW White", brand="LG"),
    offer("abt:washer", "LG White Front Load Steam Washer - WM2701HW"),
    offer("abt:oven", "Panasonic 1.2 Cu. Ft. Stainless Steel Microwave Oven - NNSD797S"),
    offer("buy:phone", "Panasonic Expandable Digital Cordless Phone KX-TG9332T", brand="Panasonic"),
    offer("abt:radio", "Bose Wave Music System - Titanium Silver"),
]
CASES = {
    "matched": ("abt:camera", "buy:camera"),
    "rejected": ("abt:camera", "buy:camera-pink"),
    "never compared": ("abt:camera", "buy:washer"),
    "retracted": ("abt:tv", "buy:tv"),
    "superseded": ("abt:speaker", "buy:speaker"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="samesku-135m", help="bundle: a folder, or a name below models/")
    parser.add_argument("--after", default="samesku-135m-0.3.1-rc.1", help="the same, of the bundle in force then")
    parser.add_argument("--write", action="store_true", help=f"write the texts into {PAGE.name}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        texts = play(Path(root), locate(arguments.before), locate(arguments.after))
    for name, text in texts.items():
        print(f"\n== {name}\n{text}")
    if arguments.write:
        PAGE.write_text(written(PAGE.read_text(), texts))


def play(root: Path, before: Path, after: Path) -> dict[str, str]:
    """The text of each case."""
    settings = load_settings(overrides={"blocking.k": K, "kafka.partitions": 2})
    console = Console(stderr=True)
    with live.services(settings) as ours, sinking(ours, root), closing(Reader(ours.kafka)) as reader:
        with working(ours, before):
            # One side first, so that the other finds it: otherwise both ask at the same moment, and both are right.
            count = answered(ours, reader, [upsert(each) for each in CATALOGUE if each.source == "abt"])
            count += answered(ours, reader, [upsert(each) for each in CATALOGUE if each.source == "buy"])
        console.print("decided by the bundle before")
        with working(ours, after):
            count += answered(ours, reader, [delete(CATALOGUE[4]), upsert(CATALOGUE[5]), upsert(CATALOGUE[0])])
        console.print("decided by the bundle in force")
        await_store(root, reader, count)
        return {name: why(ours, root, *pair) for name, pair in CASES.items()}


@contextlib.contextmanager
def working(settings: Settings, bundle: Path) -> Iterator[None]:
    with running_worker(worker_environment(settings, str(bundle))):
        yield


@contextlib.contextmanager
def sinking(settings: Settings, root: Path) -> Iterator[None]:
    """`samesku audit sink`, until the end of the block."""
    more = {"SAMESKU_AUDIT__ROOT": str(root), "SAMESKU_AUDIT__FLUSH_S": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "samesku.cli", "audit", "sink"],
        env={**os.environ, **worker_environment(settings, ""), **more}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def answered(settings: Settings, reader: Reader, changes: list[Ready]) -> int:
    """Send changes and read until each is answered; returns how many decisions came with the answers."""
    live.send(settings.kafka, changes)
    left, decisions, deadline = len(changes), 0, time.monotonic() + SECONDS
    while left:
        for record in reader.read(0.5):
            left -= isinstance(record, Answer)
            decisions += isinstance(record, MatchDecision)
        if time.monotonic() > deadline:
            raise SystemExit(f"{left} changes were not answered within {SECONDS:.0f} s")
    return decisions


def await_store(root: Path, reader: Reader, decisions: int) -> None:
    """Wait until the sink has written so many decisions and those that are still read."""
    deadline = time.monotonic() + SECONDS
    while sum(1 for _ in AuditStore(str(root)).stream(DECISIONS)) < decisions:
        decisions += sum(isinstance(record, MatchDecision) for record in reader.read(2.0))
        if time.monotonic() > deadline:
            raise SystemExit("the sink did not write everything")


def why(settings: Settings, root: Path, a: str, b: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "samesku.cli", "why", a, b],
        env={**os.environ, **worker_environment(settings, "default"), "SAMESKU_AUDIT__ROOT": str(root)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    sys.stderr.write(done.stderr)
    lines = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
    return "\n".join([f"$ samesku why {a} {b}", *lines])


def upsert(made: Offer) -> Ready:
    change = CatalogChange.model_validate(
        {"op": "upsert", "source": made.source, "offer_id": made.offer_id, "offer": made}
    )
    return ready(change)


def delete(made: Offer) -> Ready:
    return ready(CatalogChange.model_validate({"op": "delete", "source": made.source, "offer_id": made.offer_id}))


def ready(change: CatalogChange) -> Ready:
    return Ready(line=0, key=change.key.encode(), value=dumps(change))


def written(page: str, texts: dict[str, str]) -> str:
    """The page with each case's text between its marks."""
    for name, text in texts.items():
        mark = name.replace(" ", "-")
        begin, end = f"<!-- case {mark}: begin -->", f"<!-- case {mark}: end -->"
        head, found, rest = page.partition(begin)
        _, closed, tail = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"{PAGE.name} has no place for the case {name}")
        page = f"{head}{begin}\n```\n{text}\n```\n{end}{tail}"
    return page


if __name__ == "__main__":
    main()
