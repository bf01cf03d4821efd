"""Ten drifts on replayed streams of three catalogues: who notices, after how many decisions, and who cries wolf.

    python benchmarks/drift.py make --folder build/drift            # judge the blocks once (resumable)
    python benchmarks/drift.py run --folder build/drift --out docs/benchmarks

`make` blocks and judges real offers with the released student. `run` draws streams from the blocks and lets the monitor
and the detectors of river and evidently watch the same ones. The latter two are no dependency of the project:

    pip install --target build/detectors -r benchmarks/drift_detectors.txt    # then: PYTHONPATH=build/detectors
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import drift_detectors as detectors
from benchmarks import drift_making as making
from benchmarks import drift_page as page
from benchmarks import drift_running as running
from benchmarks.abt_buy import data_dir
from schemas.monitor_settings import MonitorSettings
from schemas.policy import Policy
from worker.monitor.vocabulary import vocabulary_of

app = typer.Typer(add_completion=False, no_args_is_help=True)

Folder = Annotated[Path, typer.Option(help="Where the judged blocks are kept.", file_okay=False)]


@app.callback()
def main() -> None:
    """Ten drifts on replayed streams: `make` the blocks, then `run`."""


@app.command()
def make(
    folder: Folder,
    queries: Annotated[int, typer.Option(min=1, help="Queries per catalogue and drift.")] = 60,
    clean: Annotated[int, typer.Option(min=1, help="Queries per catalogue without a drift.")] = 150,
    bundle: Annotated[str, typer.Option(help="Folder of a bundle, or 'default'.")] = "default",
    threads: Annotated[int, typer.Option(min=0, help="0: all cores.")] = 1,
) -> None:
    """Judge all blocks that are not in the folder yet (about 3,000 pairs a catalogue; 8 to 12 pairs/s a core)."""
    from samesku.embedded.redis import EmbeddedRedis
    from worker.student.locate import find_bundle
    from worker.student.student import Student

    student = Student.load(find_bundle(bundle), threads=threads)
    catalogues = {name: making.catalogue(data_dir(), name) for name in making.SETS}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with EmbeddedRedis() as server, Progress(*columns) as progress:
        for place, name in enumerate(making.SETS):
            other = catalogues[making.SETS[(place + 1) % len(making.SETS)]]
            maker = making.Maker(catalogues[name], server.url(place), student, folder)
            for drift in (making.CLEAN, *making.DRIFTS):
                offers = making.drifted(drift, catalogues[name], other, clean if drift == making.CLEAN else queries)
                task = progress.add_task(f"{name}, {drift}", total=len(offers))
                maker.make(drift, offers, lambda _, task=task: progress.advance(task))  # type: ignore[misc]
                progress.update(task, completed=len(offers))


@app.command()
def run(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Folder for drift.json, drift.table.md and drift.svg.", file_okay=False)],
    streams: Annotated[int, typer.Option(min=1, help="Streams per catalogue and drift.")] = 10,
    clean_windows: Annotated[int, typer.Option(min=1, help="Clean windows per catalogue.")] = 2_000,
    evidently_streams: Annotated[int, typer.Option(min=0, help="Streams for evidently, which is slow; 0: none.")] = 2,
    evidently_windows: Annotated[int, typer.Option(min=1, help="Clean windows for evidently, per catalogue.")] = 300,
    only: Annotated[str, typer.Option(help="Detectors whose name holds this; empty: all.")] = "",
) -> None:
    """Let everybody watch the same streams; the same folder and numbers give the same result, times apart."""
    plan = running.Plan()
    sets = {name: found for name in making.SETS if (found := _blocks(folder, name)) is not None}
    if not sets:
        raise typer.BadParameter(f"{folder}: no catalogue is made; run `make` first", param_hint="--folder")
    result: dict[str, Any] = {
        "plan": asdict(plan),
        "sets": {name: {drift: len(blocks) for drift, blocks in each.items()} for name, each in sets.items()},
        "drifts": list(making.DRIFTS),
        "false_alarms": MonitorSettings().false_alarms,
        "detectors": {},
    }
    for name, make_detector in _detectors(evidently=evidently_streams > 0).items():
        if only not in name:
            continue
        few = (evidently_streams, evidently_windows) if name.startswith("evidently") else (streams, clean_windows)
        result["detectors"][name] = _watched(name, make_detector, sets, plan, *few)
    out.mkdir(parents=True, exist_ok=True)
    (out / "drift.json").write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    for path in (out / "drift.json", *page.write(result, out)):
        typer.echo(f"written: {path}")
    typer.echo(page.table(result))


def _watched(
    name: str, make_detector: Callable[[], detectors.Detector], sets: dict[str, dict[str, list[making.Block]]],
    plan: running.Plan, streams: int, windows: int,
) -> dict[str, Any]:  # fmt: skip
    """What one detector makes of all catalogues."""
    clean: list[dict[str, Any]] = []
    runs: dict[str, list[dict[str, Any]]] = {drift: [] for drift in making.DRIFTS}
    for number, (label, blocks) in enumerate(sets.items()):
        typer.echo(f"{name}: {label}", err=True)
        clean.append(running.clean_stream(make_detector(), blocks[making.CLEAN], plan, windows, 1000 + number))
        # The same products before and after: the clean blocks of the queries that drift.
        before = blocks[making.CLEAN][: len(blocks["promotion words"])]
        others = {drift: blocks[drift] for drift in making.DRIFTS if drift in blocks}
        for seed in range(streams):
            rows = running.drifted_streams(make_detector(), before, others, plan, 100 * number + seed)
            for drift, row in rows.items():
                runs[drift].append({**row, "set": label})
    delays = [run["delay"] for each in runs.values() for run in each if run["delay"] is not None]
    return {
        "clean": running.rate(clean), "clean_streams": clean, "median_delay": median(delays) if delays else None,
        "drifts": {drift: running.summary(each) for drift, each in runs.items() if each}, "runs": runs,
    }  # fmt: skip


def _blocks(folder: Path, name: str) -> dict[str, list[making.Block]] | None:
    """The blocks of a catalogue by drift; None if there are none without a drift."""
    if not (folder / name / "clean.jsonl").is_file() or not (folder / name / "promotion-words.jsonl").is_file():
        return None
    vocabulary = vocabulary_of(making.catalogue(data_dir(), name).offers)
    policy = Policy().resolved()
    return {
        drift: making.read_blocks(folder, name, drift, vocabulary, policy)
        for drift in (making.CLEAN, *making.DRIFTS)
        if (folder / name / f"{drift.replace(' ', '-')}.jsonl").is_file()
    }


def _detectors(evidently: bool) -> dict[str, Callable[[], detectors.Detector]]:
    """Everybody by name; a detector's library is imported when it is made."""
    found: dict[str, Callable[[], detectors.Detector]] = {
        "SameSKU monitor": lambda: detectors.Monitor(MonitorSettings()),
        "SameSKU monitor, decisions alone": lambda: detectors.Monitor(MonitorSettings(), ("decisions",)),
    }
    for kind in ("ADWIN", "KSWIN", "Page-Hinkley"):
        found[f"river {kind}, probability"] = partial(detectors.River, kind, ("probability",))
        found[f"river {kind}, all numbers"] = partial(detectors.River, kind, detectors.NUMBERS)
    if evidently:
        found["evidently preset, half of the columns"] = partial(detectors.Evidently, False)
        found["evidently preset, any column"] = partial(detectors.Evidently, True)
    return found


if __name__ == "__main__":
    app()
