"""`samesku matches OFFER` and `samesku matches export`: the decisions that stand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from typer.core import TyperGroup

from samesku.errors import CommandError
from samesku.matches.log import LogUnreadable, bounds, read_decisions
from samesku.matches.snapshot import Snapshot, write_snapshot
from schemas.decision import MatchDecision, standing
from schemas.offer import split_key, split_pair
from schemas.rationale import ATTRIBUTES
from schemas.sections import KafkaSettings
from schemas.settings import load_settings
from worker.replay.span import Span


class OfferOrCommand(TyperGroup):
    """`matches source:id` is `matches show source:id`: an offer's key holds a colon, a command's name does not."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `show` in front unless a command (or --help) is asked for."""
        if args and args[0] not in self.commands and "--help" not in args:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    add_completion=False,
    cls=OfferOrCommand,
    no_args_is_help=True,
    help="Show the standing decisions of one offer (`samesku matches source:offer_id`), or export all of them.",
)

# Matches first: they are what is asked for.
_ORDER = {"match": 0, "review": 1, "no_match": 2, "retracted": 3}
_STYLE = {"match": "green", "review": "yellow", "no_match": "dim", "retracted": "magenta"}
_SIGN = {"same": "=", "different": "≠", "unknown": "?"}


@app.command()
def show(
    offer: Annotated[str, typer.Argument(help="source:offer_id, as in the Kafka key.")],
    as_json: Annotated[bool, typer.Option("--json", help="One decision a line, as in match.decisions.")] = False,
) -> None:
    """The standing decision of each pair of one offer.

    Read from match.decisions, which is read from its start: minutes for a log of many millions.
    """
    try:
        split_key(offer)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="OFFER") from error
    _, _, decisions = _read(offer)
    listed = sorted(decisions.values(), key=lambda each: (_ORDER[each.verdict], -(each.probability or 0), each.pair_id))
    if as_json:
        for decision in listed:
            typer.echo(orjson.dumps(decision.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS).decode())
    elif listed:
        Console().print(_table(offer, listed))
    else:
        typer.echo(f"no decision about {offer} (yet)")


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The snapshot; .gz is compressed.", dir_okay=False)],
) -> None:
    """Write the standing decision of every pair, and the offsets from which a new consumer goes on."""
    _, span, decisions = _read(None)
    try:
        write_snapshot(out, Snapshot(span.topic, span.ends, decisions), datetime.now(UTC))
    except OSError as error:
        raise CommandError(f"{out}: {error}") from error
    typer.echo(f"{len(decisions)} standing decisions in {out}; go on from the offsets in its first line", err=True)


def _read(offer: str | None) -> tuple[KafkaSettings, Span, dict[str, MatchDecision]]:
    """What stands in the whole log, or of one offer's pairs. Raises CommandError."""
    settings = load_settings()
    settings.need_kafka()
    kafka = settings.kafka
    console = Console(stderr=True)
    try:
        span = bounds(kafka)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"reading {span.topic}", total=span.size)
            found = read_decisions(
                kafka,
                span,
                lambda key: offer is None or _names(key, offer),
                lambda done: progress.update(task, completed=done),
            )
            return kafka, span, standing(found)
    except LogUnreadable as error:
        raise CommandError(str(error)) from error


def _names(key: bytes, offer: str) -> bool:
    """Whether a pair id names the offer; asked of the Kafka key, so that other decisions need not be parsed."""
    try:
        return offer in split_pair(key.decode("utf-8"))
    except ValueError:
        return False


def _table(offer: str, decisions: list[MatchDecision]) -> Table:
    table = Table(title=f"standing decisions of {escape(offer)}", title_justify="left", show_lines=False)
    for name in ("verdict", "p", "other offer", " ".join(name[:5] for name in ATTRIBUTES), "why", "decided"):
        table.add_column(name, overflow="fold", no_wrap=name == "verdict")
    for each in decisions:
        other = each.second.key if each.first.key == offer else each.first.key
        seen = each.rationale.attributes if each.rationale else {}
        signs = "     ".join(_SIGN[seen[name].verdict] if name in seen else " " for name in ATTRIBUTES)
        why = (each.rationale.sentence if each.rationale else None) or ", ".join(each.reasons)
        table.add_row(
            f"[{_STYLE[each.verdict]}]{each.verdict}[/]",
            "" if each.probability is None else f"{each.probability:.2f}",
            escape(other),
            signs,
            escape(why),
            f"{each.decided_at:%Y-%m-%d %H:%M:%S}",
        )
    return table
