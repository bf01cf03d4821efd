"""`samesku compare`: what another bundle changes, and whether that is within the limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from samesku.commands.replay import Shown
from samesku.errors import CommandError
from schemas import topics
from schemas.decision import MatchDecision, standing
from schemas.offer import Offer
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from schemas.label import Label

app = typer.Typer(add_completion=False)
WRONG_USAGE = 2


@dataclass
class Side:
    """The standing decisions of one side, and the contents that its folder holds."""

    name: str
    decisions: dict[str, MatchDecision]
    offers: dict[str, Offer] = field(default_factory=dict)


class WrongUsage(CommandError):
    """What was named is not what is needed."""

    exit_code = WRONG_USAGE


@app.command(name="compare")
def command(
    folders: Annotated[
        list[Path], typer.Argument(help="OLD NEW: folders of replays; with --range only NEW.", file_okay=False)
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Where compare.html and compare.json go.")],
    range_: Annotated[
        str | None,
        typer.Option(
            "--range", help="OLD is what stands of match.decisions in FROM..TO, as `samesku replay` reads them."
        ),
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="Labelled pairs (CSV or JSONL: pair_id, label); may be repeated."
        ),
    ] = None,
    label_topic: Annotated[bool, typer.Option("--label-topic", help="Read match.labels as well.")] = False,
) -> None:
    """Compare two sets of decisions about the same pairs: flips, rates, labels, calibration, latency.

    Exit code 0: within the limits of the settings (`compare.*`); 1: beyond them, or failed; 2: wrong usage.
    """
    from worker.comparison.cases import align
    from worker.comparison.compare import comparison, named, points
    from worker.comparison.page import write_page

    settings = load_settings()
    wanted = 1 if range_ is not None else 2
    if len(folders) != wanted:
        what = "one folder, NEW" if range_ is not None else "two folders, OLD and NEW"
        raise typer.BadParameter(f"needs {what}; {len(folders)} given", param_hint="FOLDERS")
    console = Console(stderr=True)
    with Shown(console) as shown:
        new = _folder(folders[-1])
        old = _range(settings, range_, shown) if range_ is not None else _folder(folders[0])
        known = _labels(settings, labels or [], label_topic or range_ is not None, shown)
        aligned = align(old.decisions, new.decisions, {**old.offers, **new.offers}, known)
        sides = named(old.name, [*old.decisions.values()]), named(new.name, [*new.decisions.values()])
        found = comparison(*sides, aligned, settings.policy.costs, settings.compare)
        try:
            written = write_page(found, points(aligned), out)
        except OSError as error:
            raise CommandError(f"{out}: {error}") from error
    table = Table(title=f"{new.name} against {old.name}: {len(aligned.cases):,} pairs", title_justify="left")
    for column in ("limit", "measured", "allowed", ""):
        table.add_column(column)
    for check in found["verdict"]["checks"]:
        value = "–" if check["value"] is None else f"{check['value']:.4g}"
        table.add_row(check["what"], value, f"{check['limit']:.4g}", check["status"])
    console.print(table)
    for kind, count in found["flips"]["kinds"].items():
        console.print(f"{kind}: {count:,}", highlight=False)
    for path in written:
        typer.echo(path)
    if not found["verdict"]["within"]:
        raise CommandError(f"beyond the limits: {', '.join(found['verdict']['beyond'])}")


def _folder(path: Path) -> Side:
    """What stands of a folder's decisions. Raises WrongUsage."""
    from worker.replay.errors import ReplayError
    from worker.replay.folder import Folder
    from worker.replay.store import FILE, Inputs

    folder = Folder(path)
    try:
        run = folder.run()
        folder.manifest()
        decisions = standing(folder.read())
        with Inputs(path / FILE) as inputs:
            digests = {side.digest for made in decisions.values() for side in (made.first, made.second)}
            offers = inputs.offers(digests)
    except ReplayError as error:
        raise WrongUsage(str(error)) from error
    return Side(run.name, decisions, offers)


def _range(settings: Settings, text: str, shown: Shown) -> Side:
    """What stands of a range of match.decisions."""
    from worker.replay import log
    from worker.replay.errors import ReplayError, WrongRequest
    from worker.replay.planning import as_decision
    from worker.replay.span import parse_point

    settings.need_kafka()
    begin, separator, end = text.partition("..")
    kafka, now = settings.kafka, datetime.now(UTC)
    try:
        if not separator:
            raise WrongRequest(f"{text!r} is no range; valid: FROM..TO, as in 2h..end")
        span = log.resolve(kafka, kafka.topic(topics.DECISIONS), parse_point(begin, now), parse_point(end, now))
        shown.stage(f"reading {span.topic}", span.size)
        decisions = standing(as_decision(record) for record in log.read(kafka, span, passed=shown.advance))
    except WrongRequest as error:
        raise typer.BadParameter(str(error), param_hint="--range") from error
    except ReplayError as error:
        raise CommandError(str(error)) from error
    return Side(f"match.decisions {text}", decisions)


def _labels(settings: Settings, paths: list[Path], topic: bool, shown: Shown) -> Mapping[str, list[Label]]:
    from worker.comparison.labels import BadLabels, by_pair, labels_of, read_labels
    from worker.replay import log
    from worker.replay.errors import ReplayError
    from worker.replay.span import Point

    try:
        found = [label for path in paths for label in read_labels(path)]
        if topic:
            settings.need_kafka()
            kafka = settings.kafka
            span = log.resolve(kafka, kafka.topic(topics.LABELS), Point(edge="start"), Point(edge="end"))
            shown.stage(f"reading {span.topic}", span.size)
            found += labels_of(log.read(kafka, span, passed=shown.advance))
    except (BadLabels, OSError) as error:
        raise WrongUsage(str(error)) from error
    except ReplayError as error:
        raise CommandError(str(error)) from error
    return by_pair(found)
