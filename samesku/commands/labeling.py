"""`samesku labeling`: draw decisions for labelling, and say from the answers how good production is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from samesku.errors import CommandError
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from worker.labeling.estimate import Interval, Quality

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Draw decisions for labelling with known chances, and estimate precision and recall from the answers.",
)


@app.command()
def run(
    budget_per_day: Annotated[int | None, typer.Option(min=1, help="Tasks a day. [labeling.budget_per_day]")] = None,
    uniform_rate: Annotated[
        float | None, typer.Option(help="Chance of every decision, above 0 to 1. [labeling.uniform_rate]")
    ] = None,
) -> None:
    """Read match.decisions and publish tasks on match.labeling until told to stop.

    Any number of samplers share the partitions. Killed and started again, each goes on where it was: a decision is
    drawn once, and a day's budget is spent once.
    """
    overrides = {"labeling.budget_per_day": budget_per_day, "labeling.uniform_rate": uniform_rate}
    settings = _settings(overrides)
    settings.need_redis()
    from worker.labeling.running import run_sampler

    run_sampler(settings)


@app.command()
def estimate(
    begin: Annotated[
        str, typer.Option("--from", help="Decisions made since: an ISO 8601 time, or a time ago (7d).")
    ] = "7d",
    end: Annotated[str, typer.Option("--to", help="The same, exclusive; or now.")] = "now",
    teacher: Annotated[
        bool, typer.Option("--teacher", help="Take the teacher's answers, too, where nobody else's are.")
    ] = False,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="The numbers as JSON, too.")] = None,
) -> None:
    """Production precision and recall of a period, with intervals, from tasks and labels.

    Recall is that among judged pairs: a match that blocking never named is in no number here.
    """
    settings = _settings({})
    since, until = _moment(begin), _moment(end)
    if since >= until:
        raise CommandError(f"--from {begin} is not before --to {end}")
    from worker.labeling import reading
    from worker.labeling.estimate import quality

    console = Console()
    with _reading() as passed:
        draws = reading.read_draws(settings, since, passed)
        answers = reading.read_answers(settings, reading.ANYBODY if teacher else reading.PEOPLE, passed)
        decisions, matches = reading.count_matches(settings, since, until, passed)
    drawn = reading.drawn_of(draws, answers, since, until)
    if not drawn:
        raise CommandError(f"no decision from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC was drawn")
    found = quality(drawn, matches, confidence)
    console.print(_table(found, confidence))
    console.print(
        f"{found.drawn} of {decisions} decisions drawn ({matches} published as match), {found.answered} answered",
        highlight=False,
    )
    if found.answered < found.drawn:
        console.print(
            f"{found.drawn - found.answered} without an answer: the answered ones of their class stand for them",
            highlight=False,
        )
    console.print("recall is among judged pairs: what blocking never named is in no number here", highlight=False)
    if out is not None:
        _write(out, found, since, until, decisions, matches, confidence)


@app.command()
def show(
    limit: Annotated[int, typer.Option(min=1, help="Tasks to list.")] = 20,
) -> None:
    """What was drawn, why, and what waits for an answer."""
    settings = _settings({})
    from worker.labeling import reading

    console = Console()
    with _reading() as passed:
        draws = reading.read_draws(settings, None, passed)
        answers = reading.read_answers(settings, reading.ANYBODY, passed)
    waiting = draws.open(answers.keys(), datetime.now(UTC))
    reasons = Counter(reason for task in draws.first.values() for reason in task.reasons)
    ended = Counter(task.withdrawn for task in draws.last.values() if task.withdrawn is not None)
    answered = sum(reading.contents_of(task) in answers for task in draws.first.values())
    console.print(
        f"{len(draws.first)} drawn, {answered} answered, {len(waiting)} waiting"
        + "".join(f", {count} {why}" for why, count in sorted(ended.items())),
        highlight=False,
    )
    console.print(
        "drawn for: " + ", ".join(f"{name} {count}" for name, count in reasons.most_common()), highlight=False
    )
    table = Table("priority", "pair", "verdict", "p", "for", "chance", "until")
    for task in waiting[:limit]:
        table.add_row(
            f"{task.priority:.2f}", task.pair_id, task.verdict + (" (stale)" if task.stale else ""),
            "" if task.probability is None else f"{task.probability:.3f}", ", ".join(task.reasons),
            f"{task.inclusion_probability:.4f}", f"{task.expires_at:%Y-%m-%d}",
        )  # fmt: skip
    console.print(table)


def _settings(overrides: dict[str, Any]) -> Settings:
    settings = load_settings(overrides=overrides)
    settings.need_kafka()
    return settings


def _moment(text: str) -> datetime:
    from worker.replay.errors import WrongRequest
    from worker.replay.span import parse_point

    now = datetime.now(UTC)
    try:
        point = parse_point(text, now)
    except WrongRequest as error:
        raise CommandError(str(error)) from error
    if point.edge == "end":
        return now
    if point.edge == "start":
        return datetime.min.replace(year=1970, tzinfo=UTC)
    if point.at is None:
        raise CommandError(f"{text!r} names offsets; valid: an ISO 8601 time, a time ago (7d), start or now")
    return point.at


@contextmanager
def _reading() -> Iterator[Any]:
    """A bar a topic; what goes wrong with them is told as the user's."""
    from worker.replay.errors import ReplayError

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bars: dict[str, TaskID] = {}

        def passed(topic: str, done: int, total: int) -> None:
            if topic not in bars:
                bars[topic] = progress.add_task(f"reading {topic}", total=total)
            progress.update(bars[topic], completed=done)

        try:
            yield passed
        except ReplayError as error:
            raise CommandError(str(error)) from error


def _table(found: Quality, confidence: float) -> Table:
    table = Table("", "estimate", f"{confidence:.0%} from", "to")

    def row(name: str, interval: Interval, share: bool) -> None:
        texts = (
            "-" if value != value else f"{value:.1%}" if share else f"{value:,.0f}"
            for value in (interval.value, interval.low, interval.high)
        )
        table.add_row(name, *texts)

    row("precision", found.precision, share=True)
    row("recall among judged pairs", found.recall, share=True)
    row("F1 of the two", found.f1, share=True)
    row("right matches published", found.found, share=False)
    row("wrong matches published", found.wrong, share=False)
    row("matches missed", found.missed, share=False)
    if found.precision_ht is not None:
        table.add_row("precision, Horvitz-Thompson", f"{found.precision_ht:.1%}", "", "")
    return table


def _write(
    out: Path, found: Quality, since: datetime, until: datetime, decisions: int, matches: int, confidence: float
) -> None:
    import math
    from dataclasses import asdict

    import orjson

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        return None if isinstance(value, float) and not math.isfinite(value) else value

    data = {
        "from": since, "to": until, "decisions": decisions, "matches": matches, "confidence": confidence,
        **plain(asdict(found)),
    }  # fmt: skip
    try:
        out.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise CommandError(f"{out}: {error.strerror}") from error
