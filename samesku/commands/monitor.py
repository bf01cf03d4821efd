"""`samesku monitor …`: watch the stream of decisions, show what it found, draw it, and tell it what is normal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from samesku.errors import CommandError
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from worker.monitor.store import MonitorStore

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Watch the stream of decisions for drift, without labels."
)

INPUTS = ("decisions", "offers", "answers", "opinions")
# What a reference file is; another one is refused.
FORMAT = "samesku-monitor-reference-1"

Input = Annotated[str, typer.Option("--input", help=f"One of {', '.join(INPUTS)}.")]


@contextmanager
def opened(settings: Settings) -> Iterator[MonitorStore]:
    """The monitor's store, its failures told as the user's."""
    settings.need_redis()
    from redis.exceptions import RedisError

    from worker.monitor.store import MonitorStore

    store = MonitorStore.connect(settings.redis, settings.monitor)
    try:
        yield store
    except RedisError as error:
        raise CommandError(f"Redis: {error}") from error
    finally:
        store.close()


def _one_of(inputs: str) -> str:
    if inputs not in INPUTS:
        raise typer.BadParameter(f"{inputs!r} is no input; valid: {', '.join(INPUTS)}", param_hint="--input")
    return inputs


@app.command()
def run(
    slot: Annotated[str | None, typer.Option(help="Name of this monitor in logs (kafka.slot).")] = None,
) -> None:
    """Count windows, compare them and publish to match.drift, until told to stop. Any number share the partitions."""
    settings = load_settings(overrides={"kafka.slot": slot})
    settings.need_kafka()
    settings.need_redis()
    from worker.monitor.running import run_monitor

    run_monitor(settings)


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as one JSON object.")] = False,
    windows: Annotated[int, typer.Option(min=1, help="Windows to look back on.")] = 50,
) -> None:
    """What stands in alarm, how far each stream is, and the estimated quality."""
    from worker.monitor.overview import overview

    settings = load_settings()
    with opened(settings) as store:
        found = overview(store, settings.monitor, windows)
    _add_labels(found, settings)
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode())
        return
    console = Console()
    for quality in found["quality"][-1:]:
        made = quality["estimate"]
        console.print(
            f"estimated F1 {_percent(made['f1'])} [{_percent(made['f1_low'])}, {_percent(made['f1_high'])}], precision"
            f" {_percent(made['precision'])}, recall {_percent(made['recall'])} of {made['pairs']} pairs, window to"
            f" {quality['end']}"
        )
    if (labelled := found["labelled"]) is not None:
        f1, precision, recall = (labelled[name] for name in ("f1", "precision", "recall"))
        console.print(
            f"by people's labels F1 {_percent(f1['value'])} [{_percent(f1['low'])}, {_percent(f1['high'])}], precision"
            f" {_percent(precision['value'])}, recall {_percent(recall['value'])}: {labelled['answered']} answers to"
            f" {labelled['drawn']} draws, decisions from {labelled['begin']} to {labelled['end']}"
        )
    if found["agreement"]:
        said = Table("opinion of", "held against", "agree", "95%", "of", title="agreement", title_justify="left")
        for row in found["agreement"]:
            said.add_row(
                row["by"], row["with"], _percent(row["share"]), f"{_percent(row['low'])} to {_percent(row['high'])}",
                str(row["of"]),
            )  # fmt: skip
        console.print(said)
    table = Table("stream", "units", "state", "signals in alarm", title="streams", title_justify="left")
    for stream in found["streams"]:
        state = "watching" if stream["armed"] else f"learning, {stream['units']} of {stream['needed']} units"
        table.add_row(escape(stream["name"]), str(stream["units"]), state, escape(", ".join(stream["alarms"])))
    console.print(table)


@app.command()
def page(
    out: Annotated[Path, typer.Option(help="Folder for monitor.html and monitor.json.", file_okay=False)],
    windows: Annotated[int, typer.Option(min=2, help="Windows to look back on.")] = 200,
) -> None:
    """Draw every signal window by window, with evidence and alarms, as one HTML file."""
    from worker.monitor.overview import overview
    from worker.monitor.page import write_page

    settings = load_settings()
    with opened(settings) as store:
        found = overview(store, settings.monitor, windows)
    _add_labels(found, settings)
    try:
        for path in write_page(found, out):
            typer.echo(f"written: {path}")
    except OSError as error:
        raise CommandError(f"{out}: {error}") from error


@app.command()
def reference(
    out: Annotated[Path | None, typer.Option(help="Write what the streams have learnt to this file.")] = None,
    use: Annotated[Path | None, typer.Option(help="Begin from such a file.", exists=True, dir_okay=False)] = None,
) -> None:
    """Keep the references of all streams, or put kept ones in force: a monitor on a new Redis then need not learn.

    A reference is of one bundle: decisions of another one learn their own.
    """
    if (out is None) == (use is None):
        raise typer.BadParameter("give one of --out and --use")
    from worker.monitor.references import BadReference, keep, put

    with opened(load_settings()) as store:
        if out is not None:
            kept = keep(store)
            out.write_bytes(orjson.dumps({"format": FORMAT, "streams": kept}, option=orjson.OPT_SORT_KEYS))
            typer.echo(f"written: {out} ({sum(map(len, kept.values()))} streams)")
        elif use is not None:
            try:
                found = orjson.loads(use.read_bytes())
                if not isinstance(found, dict) or found.get("format") != FORMAT:
                    raise BadReference(f"not a file of `samesku monitor reference --out` ({FORMAT})")
                typer.echo(f"in force: {put(store, found['streams'])} streams")
            except (BadReference, orjson.JSONDecodeError) as error:
                raise CommandError(f"{use}: {error}") from error


@app.command()
def accept(
    stream: Annotated[str, typer.Argument(help="inputs/segment as `show` names it, e.g. decisions/source=shop")],
    by: Annotated[str, typer.Option(help="Who says so; it stands in the event.")],
) -> None:
    """Make what comes from now on the reference of a stream: somebody has looked, and the change is meant."""
    inputs, _, segment = stream.partition("/")
    _one_of(inputs)
    settings = load_settings()
    settings.need_kafka()
    from worker.monitor.publishing import publisher
    from worker.monitor.references import accepted
    from worker.stream.errors import Unavailable

    with opened(settings) as store:
        try:
            events = accepted(store, inputs, segment, by)
        except KeyError as error:
            raise CommandError(f"no stream {stream!r}; `samesku monitor show` names them") from error
        try:
            publisher(settings)(events)
        except Unavailable as error:
            raise CommandError(str(error)) from error
    typer.echo(f"accepted: {stream} learns anew ({len(events)} reference(s) dropped)")


@app.command()
def vocabulary() -> None:
    """Take the words of catalog.offers as they stand as the known ones. Running monitors use it after a restart."""
    settings = load_settings()
    settings.need_kafka()
    from schemas import topics
    from schemas.offer_record import OfferRecord
    from worker.monitor.reader import CommittedReader
    from worker.monitor.vocabulary import Vocabulary, words_of

    made, count = Vocabulary(), 0
    topic = settings.kafka.topic(topics.OFFERS)
    reader = CommittedReader(settings.kafka)
    try:
        ends = reader.ends(topic, reader.partitions(topic))
        for partition, end in ends.items():
            for found in reader.stream(topic, partition, 0, end):
                if found.value is not None:
                    made.add(words_of(OfferRecord.model_validate_json(found.value).offer))
                    count += 1
    finally:
        reader.close()
    with opened(settings) as store:
        store.save_vocabulary(made.to_bytes())
    typer.echo(f"vocabulary {made.digest} of {count} listings")


def _add_labels(found: dict[str, Any], settings: Settings) -> None:
    """What people's labels say of the same windows, where Kafka is named and can be read."""
    if not settings.kafka.bootstrap_servers or found["begin"] is None:
        return
    from worker.monitor.labelled import labelled_quality
    from worker.replay.errors import ReplayError

    begin, end = (datetime.fromisoformat(found[name]) for name in ("begin", "end"))
    try:
        found["labelled"] = labelled_quality(settings, begin, end)
    except ReplayError as error:
        Console(stderr=True).print(f"no labels: {error}", style="yellow", highlight=False, markup=False)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}%"
