"""`samesku dlq list|show|requeue`: the dead letters, why they are dead, and sending them again."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from samesku.dlq.letters import Letter, as_letter, chosen, parse_place
from samesku.dlq.requeue import refusal
from samesku.dlq.requeue import requeue as send_again
from samesku.errors import CommandError
from samesku.load.send import NotDelivered
from schemas import topics
from schemas.events import REASONS
from schemas.sections import KafkaSettings
from schemas.settings import load_settings
from worker.replay import log
from worker.replay.errors import ReplayError
from worker.replay.span import Point, parse_point

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Dead letters: list, show, send again.")

INPUTS = (topics.CHANGES, topics.LABELS)
KEPT = 50
WIDTH = 60

From = Annotated[str, typer.Option("--from", help="From when on: a time, a time ago (2h, 3d), offsets or 'start'.")]
To = Annotated[str, typer.Option("--to", help="Until when, likewise, or 'end'.")]
OfReason = Annotated[str | None, typer.Option("--reason", help="Only those refused for this reason.")]
OfSource = Annotated[str | None, typer.Option("--source", help="Only offers of this seller's source.")]


@app.command("list")
def list_letters(
    begin: From = "start",
    end: To = "end",
    reason: OfReason = None,
    source: OfSource = None,
    limit: Annotated[int, typer.Option(min=1, help="Show the newest so many.")] = KEPT,
    as_json: Annotated[bool, typer.Option("--json", help="One letter a line, all of them.")] = False,
) -> None:
    """The dead letters of a range, newest last, and how many there are of each reason."""
    kafka = _kafka()
    letters = _read(kafka, _point(begin), _point(end), reason, source)
    if as_json:
        for letter in letters:
            typer.echo(orjson.dumps(_facts(letter)).decode())
        return
    console = Console()
    shown = sorted(letters, key=lambda letter: (letter.record.timestamp_ms or 0, letter.place))[-limit:]
    table = Table(title=f"dead letters in {kafka.topic(topics.DEAD_LETTERS)}", title_justify="left")
    for name in ("place", "refused", "reason", "key", "came from", "detail"):
        table.add_column(name, overflow="fold", no_wrap=name == "place")
    for letter in shown:
        said = letter.said
        cells = (
            (said.failed_at, said.reason, _text(letter.record.key), letter.source, said.detail[:WIDTH])
            if said
            else ("", "[not ours]", _text(letter.record.key), "", letter.why)
        )
        table.add_row(letter.place, *map(escape, cells))
    console.print(table)
    counts = Counter(letter.said.reason if letter.said else "not ours" for letter in letters)
    typer.echo(f"{len(letters)} letters" + "".join(f", {count} {name}" for name, count in counts.most_common()))


@app.command()
def show(place: Annotated[str, typer.Argument(help="partition:offset, as `list` shows it.")]) -> None:
    """One dead letter: what was said of it, its own headers, and its bytes."""
    (letter,) = _at(_kafka(), [place])
    typer.echo(orjson.dumps(_facts(letter) | _content(letter), option=orjson.OPT_INDENT_2).decode())


@app.command()
def requeue(
    places: Annotated[list[str] | None, typer.Argument(help="partition:offset of each, as `list` shows it.")] = None,
    begin: From = "start",
    end: To = "end",
    reason: OfReason = None,
    source: OfSource = None,
    value: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The repaired value, of a single letter.")
    ] = None,
    again: Annotated[bool, typer.Option(help="Also those that were sent again before.")] = False,
    send: Annotated[bool, typer.Option("--send", help="Send them; otherwise only say what would be sent.")] = False,
) -> None:
    """Send dead letters again to the topic that they came from, byte for byte, or repaired.

    Named ones, or all of a reason or source. Exit code 1 when one of them cannot be sent; then none is.
    """
    kafka = _kafka()
    if not places and reason is None and source is None:
        raise typer.BadParameter("name letters, or --reason, or --source")
    letters = _at(kafka, places) if places else _read(kafka, _point(begin), _point(end), reason, source)
    if value is not None and len(letters) != 1:
        raise typer.BadParameter(f"a value repairs one letter, and these are {len(letters)}", param_hint="--value")
    known = [kafka.topic(name) for name in INPUTS]
    refused = {letter.place: why for letter in letters if (why := refusal(letter, known, again, value is not None))}
    for letter in letters:
        what = refused.get(letter.place) or f"to {letter.said.source.topic}" if letter.said else letter.why
        typer.echo(f"{letter.place} {_text(letter.record.key)}: {what}", err=True)
    if refused and places:
        raise CommandError(f"{len(refused)} of {len(letters)} cannot be sent again; nothing was sent")
    good = [letter for letter in letters if letter.place not in refused]
    if not send:
        typer.echo(f"{len(good)} of {len(letters)} would be sent again; with --send they are")
        return
    try:
        count = send_again(kafka, good, value.read_bytes() if value is not None else None)
    except (NotDelivered, OSError) as error:
        raise CommandError(str(error)) from error
    typer.echo(f"{count} of {len(letters)} sent again")


def _kafka() -> KafkaSettings:
    settings = load_settings()
    settings.need_kafka()
    return settings.kafka


def _point(text: str) -> Point:
    try:
        return parse_point(text, datetime.now(UTC))
    except ReplayError as error:
        raise typer.BadParameter(str(error)) from error


def _read(kafka: KafkaSettings, begin: Point, end: Point, reason: str | None, source: str | None) -> list[Letter]:
    if reason is not None and reason not in REASONS:
        raise typer.BadParameter(f"{reason!r}; there are {', '.join(sorted(REASONS))}", param_hint="--reason")
    console = Console(stderr=True)
    try:
        span = log.resolve(kafka, kafka.topic(topics.DEAD_LETTERS), begin, end)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"reading {span.topic}", total=span.size)
            records = log.read(kafka, span, passed=lambda count: progress.advance(task, count), gone="earliest")
            return list(chosen(map(as_letter, records), reason, source))
    except ReplayError as error:
        raise CommandError(str(error)) from error


def _at(kafka: KafkaSettings, places: list[str]) -> list[Letter]:
    """The letters at these places, in this order. Raises CommandError for one that is not there."""
    try:
        wanted = [parse_place(place) for place in dict.fromkeys(places)]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    found: dict[str, Letter] = {}
    for partition, offset in wanted:
        begin, end = Point(offsets={partition: offset}), Point(offsets={partition: offset + 1})
        found |= {letter.place: letter for letter in _read(kafka, begin, end, None, None)}
    if missing := [f"{partition}:{offset}" for partition, offset in wanted if f"{partition}:{offset}" not in found]:
        raise CommandError(f"no dead letter at {', '.join(missing)}: removed by retention, or never there")
    return [found[f"{partition}:{offset}"] for partition, offset in wanted]


def _facts(letter: Letter) -> dict[str, object]:
    said = letter.said
    facts: dict[str, object] = {"place": letter.place, "key": _text(letter.record.key), "requeued": letter.requeued}
    if said is None:
        return facts | {"not_ours": letter.why}
    return facts | {
        "reason": said.reason, "detail": said.detail, "source": letter.source, "failed_at": said.failed_at,
        "worker_version": said.worker_version, "omitted": letter.omitted,
    }  # fmt: skip


def _content(letter: Letter) -> dict[str, object]:
    value = letter.record.value
    content: dict[str, object] = {
        "headers": [[name, _text(header)] for name, header in letter.headers],
        "bytes": None if value is None else len(value),
    }
    try:
        return content | {"value": None if value is None else value.decode("utf-8")}
    except UnicodeDecodeError:
        return content | {"value_hex": (value or b"").hex()}


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", "backslashreplace")
