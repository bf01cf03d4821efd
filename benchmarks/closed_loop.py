"""The loop closes: a seller changes its style, and the system notices, asks, learns, compares, promotes and recovers.

    python -m benchmarks.closed_loop --folder build/closed-loop --out docs/benchmarks

Real Kafka and Redis of its own, one worker, the monitor, the sampler, and the commands of an operator; answers to the
sampler's tasks are the truth (WDC Products states which listings are one product). What each stage found is kept in the
folder with the broker's data: the same command goes on where it was stopped. About 40 minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson

from benchmarks import closed_loop_measure as measure
from benchmarks import closed_loop_page as page
from benchmarks.abt_buy import data_dir
from benchmarks.closed_loop_parts import LoopFailed, Parts, running_parts, settings_of
from benchmarks.closed_loop_stages import Loop, Plan, claim, now, to_ms
from benchmarks.closed_loop_stream import ACCESSORY, STYLES, Product, names_of, read_products
from benchmarks.output import surroundings
from schemas import topics
from schemas.decision import MatchDecision
from schemas.label import Label
from schemas.labeling import LabelingTask
from worker.labeling.reading import PEOPLE, Draws, answers_of
from worker.monitor.plots import svg
from worker.replay.folder import Folder

NAME = "closed-loop"
WINDOW = 80


def main() -> None:
    """Run what has not been run, collect, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of this loop: broker, retraining, results")
    parser.add_argument("--out", type=Path, help=f"folder for {NAME}.json, {NAME}.svg and {NAME}.table.md")
    parser.add_argument("--window", type=int, default=WINDOW, help="decisions of one point of the figure")
    parser.add_argument("--styles", nargs="*", choices=sorted(STYLES), default=sorted(STYLES), help="candidates")
    for each in fields(Plan):
        kind = type(each.default) if each.default is not None else int
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=kind, default=each.default)
    given = parser.parse_args()
    plan = Plan(**{each.name: getattr(given, each.name) for each in fields(Plan)})
    folder = given.folder.resolve()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.0f} s  {text}", flush=True)

    try:
        claim(folder, plan)
        stages = close_the_loop(plan, folder, tuple(given.styles), say)
    except LoopFailed as failed:
        sys.exit(str(failed))
    except ValueError as wrong:
        sys.exit(f"{folder}: {wrong}")
    records = orjson.loads((folder / "records.json").read_bytes())
    report = surroundings(NAME) | {"plan": vars(plan)} | measure.build(records | {"stages": stages}, given.window)
    for path in write(report, given.out or folder):
        print(f"written: {path}")
    print(page.table(report))


def close_the_loop(plan: Plan, folder: Path, styles: tuple[str, ...], say: Any) -> dict[str, Any]:
    """Run the stages that have not been run; returns what all of them found."""
    everything = read_products(data_dir())
    products = {part: everything[part][: getattr(plan, part)] for part in everything}
    with running_parts(folder, settings_of(plan.bundle, plan.quiet_rate)) as parts:
        loop = Loop(plan, folder, products, styles, parts, say)
        stages = {"choose": loop.stage("choose", loop.choose)}
        # Times are kept before anything flows: what is gone on with began when it began.
        began = loop.stage("began", lambda: {"at": now()})["at"]
        stages["quiet"] = loop.stage("quiet", lambda: loop.quiet(began))
        if not all((folder / "stages" / f"{name}.json").is_file() for name in ("drift", "promote", "after")):
            loop.serve(plan.quiet_rate if not (folder / "stages" / "drift.json").is_file() else plan.alarm_rate)
        stages["drift"] = loop.stage("drift", lambda: loop.drift(stages["choose"]["style"], stages["quiet"]["end"]))
        alarm = stages["drift"]["alarm"]
        if alarm is None:
            raise LoopFailed(f"no alarm in {stages['drift']['rounds']} rounds of {stages['drift']['style']}")
        stages["retrain"] = loop.stage("retrain", lambda: loop.retrain(alarm["since"]))
        stages["compare"] = loop.stage("compare", lambda: loop.compare(alarm["since"], stages["drift"]["end"]))
        stages["promote"] = loop.stage("promote", lambda: loop.promote(stages["retrain"]["better"]))
        stages["after"] = loop.stage("after", lambda: loop.after(stages["choose"]["style"], stages["promote"]["at"]))
        stages["control"] = loop.stage(
            "control",
            lambda: loop.control(stages["after"]["begin"], stages["after"]["end"], stages["promote"]["promoted"]),
        )
        if not (folder / "records.json").is_file():
            (folder / "records.json").write_bytes(orjson.dumps(collect(parts, stages, products)))
    return stages


def collect(parts: Parts, stages: dict[str, Any], products: dict[str, list[Product]]) -> dict[str, Any]:
    """Everything that the report needs, from the topics."""
    named = {part: frozenset(names_of(found).values()) for part, found in products.items()}
    phases = [
        measure.Phase(name, to_ms(stages[name]["begin"]), to_ms(stages[name]["end"]), named[part])
        for name, part in (("quiet", "learnt"), ("drift", "learnt"), ("after", "measured"))
    ]
    every = [product for found in products.values() for product in found]
    of_key = names_of(every)
    decisions = [(at, MatchDecision.model_validate_json(value)) for at, value in parts.records(topics.DECISIONS)]
    draws = Draws()
    for task in parts.read(topics.LABELING, LabelingTask):
        draws.add(task)
    answers = answers_of(enumerate(parts.read(topics.LABELS, Label)), PEOPLE)
    rows = measure.seen_of(decisions, phases, of_key, draws.first, answers)
    old = stages["control"]["folder"]
    control = {}
    if old is not None:
        for made in Folder(Path(old)).read():
            if made.probability is not None and made.thresholds is not None:
                control[measure.contents(made)] = made.probability >= made.thresholds.match
    return {
        "seen": measure.as_rows(rows), "control": control, "products": of_key,
        "catalogue": {product.name: len(product.catalogue) for product in every}
        | {f"{product.name}{ACCESSORY}": 0 for product in every},
        "alarms": [
            {"stream": each.stream, "at": each.window_end, "since": each.since, "evidence": each.evidence,
             "bundle": each.bundle.version if each.bundle else None}
            for each in parts.alarms()
        ],
        "labels": len(answers), "tasks": len(draws.first),
    }  # fmt: skip


def write(report: dict[str, Any], out: Path) -> list[Path]:
    """Write JSON, figure and table; returns their paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{NAME}.json", out / f"{NAME}.svg", out / f"{NAME}.table.md"]
    paths[0].write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    paths[1].write_text(svg(page.figure(report)) + "\n", encoding="utf-8")
    paths[2].write_text(page.table(report), encoding="utf-8")
    return paths


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
