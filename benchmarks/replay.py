"""What a replay takes from a live worker: pairs per second without and with `samesku replay` beside it.

    .venv/bin/python -m benchmarks.replay --share 0.25 --out replay.json
    .venv/bin/python -m benchmarks.replay --windows 2 --seconds 20          # a quick try

A worker decides some Abt-Buy offers, which are what is replayed; then it gets all the others at once, and in windows
that take turns its own count of judged pairs is read: one window alone, one with the replay at work. A replay is killed
at the end of its window and resumed in the next one. The claim: the worker's rate falls by no more than the share.
Loading the student again is no part of a window. Needs the data (SAMESKU_DATA) and the serving install only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from rich.console import Console

from benchmarks import live, output
from benchmarks.abt_buy import data_dir, load_abt_buy
from benchmarks.falls import fall
from benchmarks.rates import gauge
from samesku.demo.serving import WorkerEnded, check_alive, terminated_like_interrupted, worker_environment
from samesku.errors import CommandError
from samesku.load.send import NotDelivered
from schemas import topics
from schemas.bundle import BundleError, load_manifest
from schemas.settings import Settings, load_settings
from worker.replay.folder import Folder
from worker.replay.log import ends_of
from worker.stream.metrics import CHANGES, PAIRS_JUDGED
from worker.student.locate import find_bundle

# Offers that are decided first: some thousand pairs, more than a replay judges in all windows together.
FIRST = 400
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 900.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="default", help="folder of a bundle, or 'default'; of worker and replay")
    parser.add_argument("--share", type=float, default=0.25, help="of the time, that the replay is given (0.25)")
    parser.add_argument("--windows", type=int, default=4, help="of each kind (4)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of one window (60)")
    parser.add_argument("--k", type=int, default=5, help="candidates per change (5)")
    parser.add_argument("--first", type=int, default=FIRST, help=f"offers that are decided before ({FIRST})")
    output.add_out(parser)
    args = parser.parse_args()
    if not 0 < args.share <= 1 or args.windows < 1 or args.seconds <= 0 or args.first < 2:
        parser.error("needs 0 < --share <= 1, --windows >= 1, --seconds > 0 and --first >= 2")
    return args


def main() -> None:
    args = arguments()
    console = Console(stderr=True, highlight=False)
    try:
        with terminated_like_interrupted():
            report = run(args, console)
    except (CommandError, BundleError, NotDelivered, WorkerEnded, live.StreamFailed, KafkaException, OSError) as error:
        sys.exit(f"bench-replay: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    fell = report["fall"]
    Console(highlight=False).print(
        f"without: {fell['without']['mean']} pairs/s {fell['without']['windows']}\n"
        f"beside a replay: {fell['beside']['mean']} pairs/s {fell['beside']['windows']}\n"
        f"fall {100 * fell['fall']:.1f}% of a share of {100 * fell['share']:.0f}%: "
        f"{'within' if fell['within'] else 'BEYOND'}; the replay judged {report['replay_pairs_per_second']} pairs/s"
    )
    output.write(report, args.out)


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Raises what `main` tells of."""
    report = output.surroundings("replay")
    changes = load_abt_buy(data_dir(), None).changes
    settings = load_settings()
    settings = settings.model_copy(update={"blocking": settings.blocking.model_copy(update={"k": args.k})})
    bundle = find_bundle(args.bundle)
    off: list[float] = []
    on: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        live.services(settings) as ours,
        live.workers(ours, bundle, 1) as (worker,),
    ):
        live.await_ready([worker], ours.kafka)
        # Interleaved, so that the first ones hold offers of both sellers.
        mixed = changes[::2] + changes[1::2]
        live.send(ours.kafka, mixed[: args.first])
        answered = f"{CHANGES.name}_total"
        _wait(lambda: _total(worker, answered) >= args.first, "the first offers", worker)
        ends = ends_of(ours.kafka, ours.kafka.topic(topics.DECISIONS))
        live.send(ours.kafka, mixed[args.first :])
        target = Path(folder) / "run"
        replayed, replay_seconds = 0, 0.0
        for number in range(args.windows):
            off.append(_window(worker, args.seconds))
            with _replay(ours, bundle, ends, target, args.share):
                before = len(Folder(target).chunks())
                _wait(lambda before=before: len(Folder(target).chunks()) > before, "the replay", worker)  # type: ignore[misc]
                done = _judged(target)
                on.append(_window(worker, args.seconds))
                replayed, replay_seconds = replayed + _judged(target) - done, replay_seconds + args.seconds
            if Folder(target).finished:
                raise live.StreamFailed("the replay had nothing left to judge: give a larger --first")
            if _total(worker, answered) >= len(changes):
                raise live.StreamFailed("the worker had nothing left to do: give fewer or shorter windows")
            console.print(f"{number + 1} of {args.windows}: {off[-1]:.2f} pairs/s alone, {on[-1]:.2f} beside a replay")
    return report | {
        "bundle": output.bundle_facts(load_manifest(bundle)),
        "settings": {"k": args.k, "seconds": args.seconds, "threads_each": live.threads_each(1), "first": args.first},
        "replay_pairs_per_second": round(replayed / replay_seconds, 3),
        "fall": fall(off, on, args.share),
    }


def _window(worker: live.LiveWorker, seconds: float) -> float:
    """Pairs per second that the worker judges in so many seconds."""
    before, began = _total(worker, f"{PAIRS_JUDGED.name}_total"), time.monotonic()
    time.sleep(seconds)
    after, ended = _total(worker, f"{PAIRS_JUDGED.name}_total"), time.monotonic()
    check_alive(worker.process)
    return (after - before) / (ended - began)


def _total(worker: live.LiveWorker, name: str) -> float:
    return gauge(worker.scrape(), name)


def _judged(target: Path) -> int:
    return sum(end - begin for begin, end in Folder(target).chunks())


def _wait(done: Callable[[], bool], what: str, worker: live.LiveWorker) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not done():
        check_alive(worker.process)
        if time.monotonic() > until:
            raise live.StreamFailed(f"waited {PATIENCE_SECONDS:.0f} s for {what}")
        time.sleep(POLL_SECONDS)


@contextmanager
def _replay(settings: Settings, bundle: Path, ends: dict[int, int], target: Path, share: float) -> Iterator[None]:
    """`samesku replay` over what was decided first, with as many threads as the worker, killed at the end."""
    environment = worker_environment(settings, str(bundle)) | {
        # One chunk a piece: what is on disk is what was judged.
        "SAMESKU_REPLAY__CHUNK_PAIRS": "16",
        "SAMESKU_REPLAY__PIECE_PAIRS": "16",
        "SAMESKU_REPLAY__SHARE": str(share),
        "SAMESKU_STUDENT__THREADS": str(live.threads_each(1)),
        "PATH": "/usr/bin:/bin",
    }
    to = ",".join(f"{number}:{end}" for number, end in sorted(ends.items()))
    process = subprocess.Popen(
        [sys.executable, "-m", "samesku.cli", "replay", "--bundle", bundle, "--out", target, "--to", to, "--all"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
