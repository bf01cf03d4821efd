"""`samesku report`: the report card of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID

from samesku.errors import CommandError
from samesku.progress import BytesProgress
from schemas.bundle import BundleError
from schemas.settings import load_settings
from train.evaluation.suites.bench import held_out
from train.evaluation.suites.run import DEFAULT_CASES, Sizes, run_suites
from train.pairs.pairs import PairFileError
from train.report.cache import CachedJudge, Kept
from train.report.collect import build_report
from train.report.holdout import read_runs
from train.report.inputs import read_inputs
from train.report.page import write_page
from train.report.reinforcement import read_ablation
from train.verification.records import VerificationFileError
from worker.student.locate import RECIPES, find_bundle
from worker.student.student import Student

app = typer.Typer(add_completion=False)


@app.command()
def report(
    bundle: Annotated[str, typer.Option(help="Folder of a bundle, or 'default': the committed student.")] = "default",
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of the page; default: reports/NAME-VERSION."),
    ] = None,
    holdout: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Runs with sets or products held out; default: models/NAME/holdout."),
    ] = None,
    ablation: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False,
            help="ablation.json of `samesku train ablate`; default: models/NAME/ablation.json, if there is one.",
        ),
    ] = None,
    suites: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="What `samesku suite --json` printed; else it is run."),
    ] = None,
    cases: Annotated[
        int, typer.Option(min=0, help="Cases of each robustness suite when they are run here; 0: not measured.")
    ] = DEFAULT_CASES,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pairs of each set: a trial.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; default: the setting student.threads.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Where judgements are kept; default: .cache in the page's folder."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print report.json on standard output as well.")] = False,
) -> None:
    """Write one page (Markdown and HTML) that says what a bundle can do, and beside what.

    Judging 6,364 test pairs and the suites takes half an hour on two cores. Judgements are kept as they come: a run
    that was stopped goes on, and one with nothing new to judge takes half a minute.
    """
    console = Console(stderr=True)
    settings = load_settings()
    try:
        place = settings.student.cache_dir
        with BytesProgress(console, "building the bundle") as building:
            folder = find_bundle(bundle, building, Path(place) if place else None)
        cores = threads or settings.student.threads
        student = Student.load(folder, cores)
        manifest = student.manifest
        target = out or Path("reports") / f"{manifest.name}-{manifest.version}"
        kept = cache or target / ".cache"
        judge = CachedJudge(student, kept)
        robustness = read_suites(suites, manifest.digest()) if suites else None
        inputs = read_inputs(limit=limit)
        runs = read_runs(holdout or RECIPES / manifest.name / "holdout")
        ablated = read_ablation(ablation or RECIPES / manifest.name / "ablation.json")
        with Progress(
            *Progress.get_default_columns(), MofNCompleteColumn(), console=console, transient=True
        ) as progress:
            shown = _Shown(progress)
            if robustness is None and cases:
                task = progress.add_task("suites", total=None)
                robustness = run_suites(
                    judge,
                    {name: pairs[:limit] for name, pairs in held_out().items()},
                    policy=settings.policy,
                    sizes=Sizes.of(cases),
                    progress=lambda done: progress.advance(task, done),
                )
            found = build_report(
                judge, inputs, Kept(kept), runs=runs, robustness=robustness, ablation=ablated,
                policy=settings.policy, threads=cores, limit=limit, progress=shown,
            )  # fmt: skip
        made = write_page(found, target)
    except (PairFileError, BundleError, VerificationFileError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    for path in made:
        console.print(path, highlight=False, soft_wrap=True)
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode())


class _Shown:
    """A bar for each set that is judged."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, total: int, done: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.advance(self._tasks[name], done)


def read_suites(path: Path, digest: str) -> dict[str, Any]:
    """The result of the robustness suites, if it is of this bundle.

    Raises:
        CommandError: it is no such result, or another bundle's.
    """
    try:
        found = orjson.loads(path.read_bytes())
        of = found["bundle"]["digest"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise CommandError(f"{path}: no result of `samesku suite --json`") from error
    if of != digest:
        raise CommandError(f"{path} is of bundle {of}, the report of {digest}: run the suites again or leave it out")
    return dict(found)
