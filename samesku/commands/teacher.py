"""`samesku teacher`: rationales from a large model, from other people's files, and its audit of the student."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console

from samesku.errors import CommandError
from samesku.teacher.serve import errors, serve

if TYPE_CHECKING:
    from train.teacher.config import TeacherConfig
    from train.teacher.question import Question
    from train.teacher.run import Run

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Rationales from a large model behind any OpenAI-compatible endpoint, and its audit of the student.",
)

Config = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="TOML with the teacher's settings (docs/teacher.md).")
]
BaseUrl = Annotated[str | None, typer.Option(help="The endpoint, e.g. http://127.0.0.1:8080/v1.")]
Model = Annotated[str | None, typer.Option(help="The model, as the endpoint names it.")]
Store = Annotated[Path | None, typer.Option(dir_okay=False, help="SQLite file of replies already paid for.")]
Budget = Annotated[float | None, typer.Option(min=0, help="Money that the store may have paid for in all.")]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Requests under way at once.")]

STOPPED = 3
"""Exit code of a run that stopped before its end and can be run again."""


class RunStoppedError(CommandError):
    """The run stopped cleanly; what is done is written."""

    exit_code = STOPPED


@app.command()
def run(
    pairs: Annotated[Path, typer.Argument(help="JSON Lines of {pair_id, left, right}; a label is not read.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="Rationale records; failures go beside it.")],
    config: Config = None,
    base_url: BaseUrl = None,
    model: Model = None,
    store: Store = None,
    budget: Budget = None,
    concurrency: Concurrency = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pairs.")] = None,
) -> None:
    """Write a rationale for every pair. What the store holds is not asked again: a stopped run goes on for nothing.

    Ends with 3 when it stopped before the end (budget, a server that refuses or is silent); what is done is written.
    """
    from train.pairs.pairs import PairFileError
    from train.rationales.door import write_records
    from train.teacher.question import read_questions

    settings = _config(config, base_url, model, store, budget, concurrency)
    try:
        questions = read_questions(pairs)[:limit]
    except PairFileError as error:
        raise CommandError(str(error)) from error
    if not questions:
        raise CommandError(f"{pairs} holds no pair")

    def write(done: Run) -> None:
        write_records(out, done.records)
        _write_failures(out, done)

    done = _teach(questions, settings, write)
    console = Console(stderr=True)
    _show(console, done, settings)
    console.print(f"records: {out}", highlight=False, soft_wrap=True)
    _end(done)


@app.command()
def audit(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the report: audit.md, audit.json, records.")],
    decisions: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="`samesku matches export`, or decisions a line; default: Kafka."),
    ] = None,
    offers: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The offers' texts, one a line; default: catalog.offers.")
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="Decisions to judge.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 17,
    worst: Annotated[int, typer.Option(min=0, help="Disagreements to show in full.")] = 10,
    config: Config = None,
    base_url: BaseUrl = None,
    model: Model = None,
    store: Store = None,
    budget: Budget = None,
    concurrency: Concurrency = None,
) -> None:
    """Let the teacher judge a sample of production decisions, and report where it disagrees with the student.

    Ends with 3, and without a report, when the run stopped before the end: an audit of the part that was cheap to
    reach would be biased. Run again, it goes on from there.
    """
    from train.rationales.door import write_records
    from train.rationales.records import RationaleRecord
    from train.teacher.audit import AuditError, Judged, assess, draw, eligible
    from train.teacher.audit_page import as_json, as_markdown
    from train.teacher.prompts import PROMPT_VERSION

    settings = _config(config, base_url, model, store, budget, concurrency)
    console = Console(stderr=True)
    made, texts = _population(decisions, offers, console)
    cases, left_out = eligible(made.values(), texts)
    try:
        drawn = draw(cases, sample, seed)
    except AuditError as error:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise CommandError(f"{error}" + (f" (left out: {reasons})" if reasons else "")) from error
    out.mkdir(parents=True, exist_ok=True)
    records = out / "rationales.jsonl"

    def write(done: Run) -> None:
        write_records(records, done.records)
        _write_failures(records, done)

    done = _teach([case.question() for case in drawn.cases], settings, write)
    _show(console, done, settings)
    _end(done)
    judged = []
    for number, case in enumerate(drawn.cases):
        found = done.outcomes[number]
        judged.append(Judged(case, found if isinstance(found, RationaleRecord) else None))
    report = assess(drawn, judged, left_out, worst)
    about: dict[str, Any] = {
        "teacher": settings.model,
        "prompt version": PROMPT_VERSION,
        "students": ", ".join(sorted({f"{c.decision.bundle.name} {c.decision.bundle.version}" for c in cases})),
        "decided": f"{min(c.decision.decided_at for c in cases):%Y-%m-%d} to"
        f" {max(c.decision.decided_at for c in cases):%Y-%m-%d}",
    }
    (out / "audit.json").write_bytes(
        orjson.dumps(as_json(report, about), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )
    (out / "audit.md").write_text(as_markdown(report, about), encoding="utf-8")
    rate = report.overall
    if rate.rate is not None:
        console.print(
            f"the teacher disagrees with {rate.rate:.1%} of {report.population} decisions"
            f" (95%: {rate.low:.1%} to {rate.high:.1%}): {out / 'audit.md'}",
            highlight=False,
            soft_wrap=True,
        )


@app.command(name="import")
def import_file(
    rationales: Annotated[Path, typer.Argument(help="Structured rationales as in SAMESKU_DATA/explanations.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="Rationale records in the common form.")],
    teacher: Annotated[list[str] | None, typer.Option(help="Only these teachers; default: all.")] = None,
) -> None:
    """Normalise other people's rationales into the five attributes; what contradicts its label is set aside."""
    from train.pairs.pairs import PairFileError
    from train.rationales.door import write_records
    from train.rationales.imported import import_file as read_file

    try:
        found = read_file(rationales, tuple(teacher) if teacher else None)
        write_records(out, found.records)
        with out.with_name(f"{out.name}.aside.jsonl").open("wb") as aside:
            for reason, record in found.aside:
                aside.write(
                    orjson.dumps({"reason": reason, **record.model_dump(mode="json", exclude_none=True)}) + b"\n"
                )
    except PairFileError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{out}: {error.strerror}") from error
    console = Console(stderr=True)
    for line in found.lines():
        console.print(line, highlight=False, soft_wrap=True)
    if not found.records:
        raise CommandError(f"{rationales}: no rationale of use; structured rows with both offers are needed")


app.command()(serve)
app.command()(errors)


def _config(
    path: Path | None,
    base_url: str | None,
    model: str | None,
    store: Path | None,
    budget: float | None,
    concurrency: int | None,
) -> TeacherConfig:
    from train.teacher.config import load_config

    given = {"base_url": base_url, "model": model, "store": store, "concurrency": concurrency}
    # As text: the amount that was typed, not the nearest binary fraction.
    return load_config(path, {**given, "budget": None if budget is None else str(budget)})


def _teach(questions: list[Question], settings: TeacherConfig, write: Callable[[Run], None]) -> Run:
    """Ask all of it; what is done is written also when it is interrupted."""
    import asyncio

    from samesku.teacher.show import RunProgress
    from train.teacher.run import Run, teach
    from train.teacher.store import Store, StoreError

    key = settings.api_key()
    done = Run(len(questions))
    try:
        with Store(settings.store) as store, RunProgress(Console(stderr=True), done, settings) as bar:
            try:
                asyncio.run(teach(done, questions, settings, store, key, bar))
            except KeyboardInterrupt:
                done.stopped = "interrupted"
        write(done)
    except (StoreError, OSError) as error:
        raise CommandError(str(error)) from error
    return done


def _write_failures(out: Path, done: Run) -> None:
    """Beside the records; no file when there is no failure."""
    path = out.with_name(f"{out.name}.failed.jsonl")
    if done.failures:
        path.write_bytes(b"".join(each.model_dump_json().encode() + b"\n" for each in done.failures))
    else:
        path.unlink(missing_ok=True)


def _show(console: Console, done: Run, settings: TeacherConfig) -> None:
    from samesku.teacher.show import cost_table, run_lines

    console.print(cost_table(done.tally, settings))
    run_lines(done, lambda line: console.print(line, highlight=False, soft_wrap=True))


def _end(done: Run) -> None:
    if done.stopped is not None:
        left = done.asked - len(done.outcomes)
        raise RunStoppedError(f"{done.stopped}; {left} of {done.asked} pairs are left, run it again to go on")


def _population(decisions: Path | None, offers: Path | None, console: Console) -> Any:
    """(standing decisions by pair, offers by key), from files or from Kafka."""
    from rich.progress import Progress

    from samesku.teacher import population
    from schemas.settings import ConfigError, load_settings

    kafka = load_settings().kafka
    if (decisions is None or offers is None) and not kafka.bootstrap_servers:
        raise ConfigError(
            "kafka.bootstrap_servers is not set (SAMESKU_KAFKA__BOOTSTRAP_SERVERS); valid: host:port,..."
            " Or give both --decisions and --offers"
        )
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def passed(topic: str, done: int, total: int) -> None:
            task = tasks.get(topic)
            if task is None:
                task = tasks[topic] = progress.add_task(f"reading {topic}", total=total)
            progress.update(task, completed=done)

        try:
            made = population.decisions_of_file(decisions) if decisions else population.decisions_of_log(kafka, passed)
            keys = {side.key for each in made.values() for side in (each.first, each.second)}
            texts = population.offers_of_file(offers) if offers else population.offers_of_log(kafka, keys, passed)
        except population.PopulationError as error:
            raise CommandError(str(error)) from error
    return made, texts
