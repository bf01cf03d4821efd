"""`samesku load FILE`: a catalogue into `catalog.changes`."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from samesku.errors import CommandError
from samesku.load.changes import to_changes
from samesku.load.lag import Gate, GroupLag, LagUnknown
from samesku.load.rows import Format, UnknownFormat, file_format, read_rows
from samesku.load.run import LoadReport, RejectsFile, load
from samesku.load.send import ChangeProducer, NotDelivered
from schemas.settings import Settings, load_settings
from schemas.topics import CHANGES

app = typer.Typer(add_completion=False)


@app.command(name="load")
def command(
    file: Annotated[Path, typer.Argument(help="JSONL or CSV with a header, plain or .gz; column names are forgiving.")],
    source: Annotated[
        str | None, typer.Option(help="Seller of the rows that do not name their own; default: the file's name.")
    ] = None,
    max_lag: Annotated[
        int | None, typer.Option(min=0, help="Wait while the workers are further behind; 0: never. [load.max_lag]")
    ] = None,
    index_only: Annotated[bool, typer.Option("--index-only", help="Have the offers indexed, not judged.")] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="Where rows that cannot be used go; default: ./FILE.rejects.jsonl.")
    ] = None,
    form: Annotated[
        Literal["jsonl", "csv"] | None, typer.Option("--format", help="How to read FILE, if its name does not say.")
    ] = None,
) -> None:
    """Put a catalogue into catalog.changes, giving way to live changes.

    Every row becomes one upsert. Rows that cannot be used are shown with their line numbers and written to the rejects
    file. Exit code 0: every row was sent and acknowledged; 1: rows were rejected (the others are sent), or Kafka
    failed; 2: wrong usage.
    """
    settings = load_settings()
    settings.need_kafka()
    if not file.is_file():
        raise typer.BadParameter(f"{file} is not a file", param_hint="FILE")
    try:
        form = form or file_format(file)
    except UnknownFormat as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from error
    console = Console(stderr=True)
    limit = settings.load.max_lag if max_lag is None else max_lag
    rejects = rejects or Path(f"{file.name}.rejects.jsonl")
    try:
        report = _run(settings, file, form, source or _seller(file), limit, index_only, rejects, console)
    except (NotDelivered, LagUnknown) as error:
        raise CommandError(str(error)) from error
    except (OSError, EOFError) as error:
        raise CommandError(f"{file}: {error}") from error
    _tell(report, console)
    if report.rejects:
        raise typer.Exit(1)


def _seller(file: Path) -> str:
    """The file's name without its suffixes: `north-shop.csv.gz` is the catalogue of `north-shop`."""
    return file.name.split(".")[0] or "catalog"


def _run(
    settings: Settings,
    file: Path,
    form: Format,
    source: str,
    limit: int,
    index_only: bool,
    rejects: Path,
    console: Console,
) -> LoadReport:
    kafka = settings.kafka
    topic = kafka.topic(CHANGES)
    admin = AdminClient({**kafka.client_config()})
    _check_topic(admin, topic, kafka.request_timeout_s)
    producer = ChangeProducer(kafka, topic)
    lag = GroupLag(kafka, topic)
    total = sum(1 for _ in read_rows(file, form))
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        closing(lag),
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        RejectsFile(rejects) as out,
    ):
        task = progress.add_task(f"{file.name} → {topic}", total=total)

        def waiting(behind: int) -> None:
            progress.update(task, description=f"workers are {behind} behind (max {limit}): waiting")

        def step(report: LoadReport) -> None:
            progress.update(task, completed=report.sent + report.rejects, description=f"{file.name} → {topic}")

        gate = Gate(lag, limit, settings.load.poll_interval_s, producer.wait, waiting)
        changes = to_changes(read_rows(file, form), source, index_only)
        return load(changes, producer, out, gate.pass_one, step)


def _check_topic(admin: AdminClient, topic: str, timeout_s: float) -> None:
    try:
        found = admin.list_topics(topic, timeout=timeout_s).topics[topic]
    except KafkaException as error:
        raise CommandError(f"Kafka does not answer: {error}") from error
    if found.error is not None:
        raise CommandError(f"the topic {topic} does not exist: run `samesku topics apply` first")


def _tell(report: LoadReport, console: Console) -> None:
    console.print(f"{report.sent} offers sent and acknowledged, {report.rejects} rows rejected.", highlight=False)
    for reject in report.first_rejects:
        console.print(f"  line {reject.line}: {reject.reason}: {reject.detail}", highlight=False, markup=False)
    if report.rejects_file is not None:
        more = report.rejects - len(report.first_rejects)
        said = f"  and {more} more; all" if more else "  all"
        console.print(f"{said} in {report.rejects_file}", highlight=False, markup=False)
    sys.stderr.flush()
