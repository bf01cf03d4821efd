"""An incident played through: a fault planted in a student, twenty reports, what is found, undone and judged again.

    .venv/bin/python -m benchmarks.incident --out incident.json

A made-up catalogue of batteries, ink, bulbs and the like; half of the products are sold by a seller whose pairs the
planted fault touches: the student does not see pack sizes in them. The truth: every pair with that seller that was
matched although the sizes differ. A worker with this student decides everything; twenty of its wrong matches are
reported; then the commands that an operator would give: `samesku audit sink`, `samesku incident --send-to retracted`,
`samesku replay --publish` with the sound student. Measured against the truth: precision and recall of what was found,
and what stands in the end. Broker, Redis, worker, sink and students are real. Needs the serving install and the extra
`audit`. The sound student must tell pack sizes apart, as samesku-135m from 0.3.0 on does.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from benchmarks import live, output
from samesku.demo.serving import worker_environment
from samesku.load.changes import Ready
from samesku.matches.log import bounds, read_decisions, read_messages
from schemas.bundle import BundleManifest
from schemas.change import CatalogChange
from schemas.decision import MatchDecision, standing
from schemas.events import dumps
from schemas.offer import Offer, split_key, split_pair
from schemas.rationale import Answer, Rationale
from schemas.settings import Settings, load_settings
from schemas.stated import PACK
from schemas.text import clean
from worker.audit.errors import AuditError
from worker.audit.store import AuditStore
from worker.registry.locations import locate
from worker.stream import logs
from worker.stream.metrics import Metrics
from worker.stream.startup import build_worker
from worker.student.judge import Judge, Judgement
from worker.student.student import Student

SELLER, OTHER, BASE = "parcelpost", "corner", "wholesale"
REPORTS = 20
PATIENCE_SECONDS = 900.0
_BRANDS = ("duracell", "energizer", "varta", "panasonic", "sony")
_GOODS = (
    "{brand} {code} alkaline battery aa", "{brand} {code} lithium coin cell", "{brand} {code} led bulb warm white 9w",
    "{brand} {code} ink cartridge black", "{brand} {code} microfibre cleaning cloth", "{brand} {code} memory card 64gb",
)  # fmt: skip


class PackBlind:
    """A student that does not see how many are in a pack where one seller says so."""

    def __init__(self, student: Judge, seller: str) -> None:
        self._student = student
        self._seller = seller
        fields = {**student.manifest.model_dump(), "name": "pack-blind", "version": "0.0.1"}
        self._manifest = BundleManifest.model_validate(fields)

    @property
    def manifest(self) -> BundleManifest:
        return self._manifest

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        found = []
        for candidate in candidates:
            shown = self._shown(query, candidate)
            found += self._student.judge(shown[0], shown[1:])
        return found

    def explain(self, query: Offer, candidate: Offer, judgement: Judgement, answer: Answer | None = None) -> Rationale:
        query, candidate = self._shown(query, candidate)
        return self._student.explain(query, candidate, judgement, answer)

    def _shown(self, *pair: Offer) -> list[Offer]:
        if all(offer.source != self._seller for offer in pair):
            return list(pair)
        # Blind on both sides of a pair that this seller is in: else one side would state what the other does not.
        return [offer.model_copy(update={"title": PACK.sub("", clean(offer.title))}) for offer in pair]


@dataclass(frozen=True)
class World:
    """The catalogue, and the pack size that each offer states, by its key."""

    offers: list[Offer]
    sizes: dict[str, int]

    def touched(self, pair: str) -> bool:
        """Whether the fault hides a difference: the seller is in the pair, and the two sizes are not the same."""
        first, second = split_pair(pair)
        return SELLER in (split_key(first)[0], split_key(second)[0]) and self.sizes[first] != self.sizes[second]


def world(products: int, seed: int) -> World:
    """Products of two sellers each: every second one of the faulty seller's, half of them in another pack size."""
    rng = random.Random(seed)
    offers: list[Offer] = []
    stated: dict[str, int] = {}
    for number in range(products):
        seller = SELLER if number % 2 else OTHER
        code = f"{rng.choice('abcdfgkmx')}{rng.randrange(1000, 9999)}"
        goods = rng.choice(_GOODS).format(brand=rng.choice(_BRANDS), code=code)
        other_size = rng.random() < 0.5
        sizes = rng.sample((2, 4, 6, 10, 12), 2) if other_size else [rng.choice((2, 4, 6))] * 2
        forms = ("pack of {n}", "{n} pack") if rng.random() < 0.5 else ("{n}-pack", "set of {n}")
        pair = [
            Offer(offer_id=str(number), source=source, title=f"{goods} {form.format(n=size)}")
            for source, form, size in zip((seller, BASE), forms, sizes, strict=True)
        ]
        offers += pair
        stated |= {offer.key: size for offer, size in zip(pair, sizes, strict=True)}
    return World(offers, stated)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="default", help="the sound student: a release's name, or a folder")
    parser.add_argument("--products", type=int, default=160, help="each at two sellers (160)")
    parser.add_argument("--k", type=int, default=2, help="candidates per change (2)")
    parser.add_argument("--seed", type=int, default=17)
    output.add_out(parser)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    console = Console(stderr=True, highlight=False)
    report = run(args, console)
    Console(highlight=False).print_json(orjson.dumps(report["result"]).decode())
    output.write(report, args.out)


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The whole story; returns the report."""
    bundle = locate(args.bundle)
    sound = Student.load(bundle, os.cpu_count() or 1)
    catalogue = world(args.products, args.seed)
    settings = load_settings(
        overrides={"blocking.k": args.k, "blocking.exclude_same_source": True, "policy.explain": "never"}
    )
    with tempfile.TemporaryDirectory() as scratch, live.services(settings) as ours:
        folder = Path(scratch)
        ours = ours.model_copy(
            update={"audit": ours.audit.model_copy(update={"root": str(folder / "audit"), "flush_s": 1.0})}
        )
        blind = PackBlind(sound, SELLER)
        with console.status("a worker with the planted fault decides everything"), worker(ours, blind):
            send(ours, catalogue.offers)
            await_standing(ours, len(catalogue.offers))
        faulty = decisions(ours)
        stands = standing(faulty)
        wrong = {pair for pair, made in stands.items() if made.verdict == "match" and catalogue.touched(pair)}
        console.print(f"{len(stands)} pairs decided, {len(wrong)} matched although the seller's pack is another")
        reported = random.Random(args.seed).sample(sorted(wrong), min(REPORTS, len(wrong) // 2))
        with console.status("the sink keeps it"):
            keep(ours, len(faulty))
        (folder / "reports.jsonl").write_bytes(b"\n".join(orjson.dumps({"pair_id": pair}) for pair in reported))
        found = orjson.loads(
            command(ours, bundle, "incident", str(folder / "reports.jsonl"), "--out", str(folder / "incident"),
                    "--send-to", "retracted", "--by", "benchmark", "--json")
        )  # fmt: skip
        retracted = standing(decisions(ours))
        with console.status("the sound student judges everything again"):
            command(ours, bundle, "replay", "--bundle", str(bundle), "--out", str(folder / "replay"), "--publish",
                    "--share", "1", "--name", "mended")  # fmt: skip
        mended = standing(decisions(ours))
    affected = {pair for kind in found["kinds"] for pair in kind["affected"]}
    truth = wrong - set(reported)
    right = len(affected & truth)
    result = {
        "pairs": len(stands),
        "matched_by_the_fault": len(wrong),
        "reported": len(reported),
        "patterns": [[step["trait"] for step in kind["pattern"]] for kind in found["kinds"]],
        "affected": len(affected),
        "precision": round(right / len(affected), 4) if affected else None,
        "recall": round(right / len(truth), 4) if truth else None,
        "after_retraction": dict(Counter(retracted[pair].verdict for pair in wrong)),
        "after_replay": dict(Counter(mended[pair].verdict for pair in wrong)),
        "others_retracted": sum(
            made.decided_by == "operator" for pair, made in retracted.items() if pair not in wrong
        ),
        "pairs_without_the_seller_that_the_replay_changed": sum(
            stands[pair].verdict != made.verdict
            for pair, made in mended.items()
            if SELLER not in {split_key(key)[0] for key in split_pair(pair)}
        ),
    }  # fmt: skip
    return {**output.surroundings("incident"), "bundle": output.bundle_facts(sound.manifest), "result": result}


@contextmanager
def worker(settings: Settings, judge: Judge) -> Iterator[None]:
    """A worker in a thread, for no bundle on disk has this fault."""
    serving = build_worker(
        settings, judge, Metrics(), logs.configure(settings.log.model_copy(update={"level": "error"}))
    )
    thread = threading.Thread(target=serving.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        serving.stop()
        thread.join(60)


def send(settings: Settings, offers: Sequence[Offer]) -> None:
    ready = []
    for line, offer in enumerate(offers, 1):
        named = {"op": "upsert", "source": offer.source, "offer_id": offer.offer_id, "offer": offer}
        change = CatalogChange.model_validate(named)
        ready.append(Ready(line, change.key.encode(), dumps(change)))
    live.send(settings.kafka, ready)


def await_standing(settings: Settings, changes: int) -> None:
    """Return once every change is answered. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if bounds(settings.kafka, "match.answers").size >= changes and _answers(settings) >= changes:
            return
        time.sleep(1.0)
    raise TimeoutError(f"not all of {changes} changes were answered within {PATIENCE_SECONDS:.0f} s")


def _answers(settings: Settings) -> int:

    return sum(1 for _ in read_messages(settings.kafka, bounds(settings.kafka, "match.answers")))


def decisions(settings: Settings) -> list[MatchDecision]:
    return list(read_decisions(settings.kafka, bounds(settings.kafka)))


def keep(settings: Settings, count: int) -> None:
    """Run the sink until it holds so many decisions. Raises TimeoutError."""
    sink = subprocess.Popen(
        [sys.executable, "-m", "samesku.cli", "audit", "sink"], env=environment(settings, Path()),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while _held(settings) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the sink holds {_held(settings)} of {count} decisions")
            time.sleep(1.0)
    finally:
        sink.terminate()
        sink.wait(60)


def _held(settings: Settings) -> int:
    try:
        return sum(1 for _ in AuditStore(settings.audit.root, memory_mb=256, threads=1).decisions())
    except AuditError:
        return -1


def environment(settings: Settings, bundle: Path) -> dict[str, str]:
    return worker_environment(settings, str(bundle)) | {
        "SAMESKU_AUDIT__ROOT": settings.audit.root,
        "SAMESKU_AUDIT__FLUSH_S": "1",
        "SAMESKU_POLICY__EXPLAIN": "never",
        "SAMESKU_BLOCKING__EXCLUDE_SAME_SOURCE": "true",
    }


def command(settings: Settings, bundle: Path, *arguments: str) -> bytes:
    """A command of ours, as an operator would give it; its standard output. Raises SystemExit."""
    done = subprocess.run(
        [sys.executable, "-m", "samesku.cli", *arguments], env=environment(settings, bundle), check=False,
        capture_output=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"samesku {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr.decode()}")
    return done.stdout


if __name__ == "__main__":
    main()
