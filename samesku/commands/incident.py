"""`samesku incident FILE`: what pairs reported wrong have in common, what else is like them, and the remedy."""

from __future__ import annotations

import getpass
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from samesku.errors import CommandError
from schemas.events import format_time, sha256_hex
from schemas.settings import ConfigError, Settings, load_settings

if TYPE_CHECKING:
    from worker.audit.store import AuditStore
    from worker.incidents.action import Target
    from worker.incidents.findings import Findings

app = typer.Typer(add_completion=False)


@app.command(name="incident")
def command(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="Reported pairs, JSONL or CSV: pair_id, or offer_a and offer_b; expected, reported_by, note.",
        ),
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the report and of the log of actions.")] = Path(
        "incident"
    ),
    cover: Annotated[
        float, typer.Option(min=0.1, max=1.0, help="Share of the reported pairs that a pattern must hold for.")
    ] = 0.8,
    background: Annotated[
        int, typer.Option(min=50, help="Standing decisions that the reported ones are compared with.")
    ] = 3_000,
    root: Annotated[str | None, typer.Option("--root", help="Folder or URL of the audit store (audit.root).")] = None,
    send_to: Annotated[
        Literal["review", "retracted"] | None,
        typer.Option("--send-to", help="Publish for every pair found: people look at it, or the match is withdrawn."),
    ] = None,
    pattern: Annotated[
        int | None, typer.Option(min=1, help="Act on the pairs of this pattern only; default: all, and the reported.")
    ] = None,
    reported_only: Annotated[bool, typer.Option("--reported-only", help="Act on what was reported, no more.")] = False,
    by: Annotated[str | None, typer.Option(help="Who acts, for the log; default: your user name.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the log.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON object.")] = False,
) -> None:
    """Find what reported pairs have in common and every other standing decision of that kind; write a report.

    With --send-to they are sent to people or retracted, in transactions, and the action is logged in the report's
    folder; given again, it does only what is left.
    """
    import duckdb
    import orjson

    from worker.audit.errors import AuditError
    from worker.audit.store import AuditStore
    from worker.incidents.errors import IncidentError
    from worker.incidents.findings import investigate
    from worker.incidents.page import write_page
    from worker.incidents.reports import read_reports

    settings = load_settings(overrides={"audit.root": root})
    console = Console(stderr=True)
    if send_to is not None and not (settings.kafka.bootstrap_servers and settings.redis.url):
        raise ConfigError(
            "--send-to needs kafka.bootstrap_servers and redis.url (SAMESKU_KAFKA__..., SAMESKU_REDIS__URL)"
        )
    try:
        store = AuditStore(settings.audit.root, memory_mb=settings.audit.memory_mb, threads=settings.audit.threads)
        with console.status("") as status:
            found = investigate(
                store, read_reports(file), datetime.now(UTC), cover=cover, background=background, say=status.update
            )
        if pattern is not None and pattern > len(found.kinds):
            raise typer.BadParameter(f"{pattern}: there are {len(found.kinds)} patterns", param_hint="--pattern")
        _show(console, found)
        if send_to is not None:
            pairs = found.pairs(pattern, reported_only)
            _act(settings, store, found, pairs, send_to, out, by or getpass.getuser(), reason, console)
        page = write_page(out, found)
    except (AuditError, IncidentError) as error:
        raise CommandError(str(error)) from error
    except duckdb.Error as error:
        raise CommandError(f"DuckDB: {error}") from error
    except OSError as error:
        raise CommandError(f"{out}: {error}") from error
    if as_json:
        typer.echo(orjson.dumps(found.as_json(), option=orjson.OPT_SORT_KEYS).decode())
    else:
        typer.echo(page)


def _show(console: Console, found: Findings) -> None:
    console.print(
        f"incident {found.incident_id}: {len(found.reports)} pairs reported, {len(found.unknown)} of them never "
        f"decided; {found.standing:,} pairs have a standing decision",
        highlight=False,
    )
    for number, kind in enumerate(found.kinds, 1):
        title = f"pattern {number}: {len(kind.reported)} reported, {len(kind.affected):,} more"
        table = Table("condition", "of the reported", "of the others", "p", title=title, title_justify="left")
        for step in kind.pattern.steps:
            table.add_row(
                f"{step.trait[0]}: {step.trait[1]}",
                f"{step.reported[1]} of {step.reported[0]}",
                f"{step.background[1]:,} of {step.background[0]:,}",
                f"{step.p_value:.1e}",
            )
        console.print(table)
    if not found.kinds:
        console.print("no pattern: nothing in common that others have not, beyond what chance explains")
    for each in found.disagreements:
        console.print(f"{each.who}: said otherwise about {each.otherwise} of {each.heard} pairs", highlight=False)


def _act(
    settings: Settings, store: AuditStore, found: Findings, pairs: list[str], target: Target, out: Path, by: str,
    reason: str | None, console: Console,
) -> None:  # fmt: skip
    from worker.audit.contents import Contents
    from worker.incidents.page import note_action
    from worker.incidents.publishing import Actor
    from worker.stream import logs

    # The same remedy for the same pairs is the same action, whoever gives the command again.
    action_id = sha256_hex("\n".join([found.incident_id, target, *pairs]).encode())[:12]
    actor = Actor(settings, Contents(store).get, logs.configure(settings.log), lambda: datetime.now(UTC))
    with console.status(f"publishing {target} for {len(pairs):,} pairs"):
        published, left = actor.act(pairs, target, action_id)
    out.mkdir(parents=True, exist_ok=True)
    verdicts = Counter(str(made.previous_verdict) for made in published)
    note_action(
        out,
        {
            "at": format_time(datetime.now(UTC)), "by": by, "reason": reason, "target": target, "action_id": action_id,
            "asked": len(pairs), "published": len(published), "left": dict(left), "before": dict(verdicts),
            "decision_ids": [made.decision_id for made in published],
        },
    )  # fmt: skip
    told = ", ".join(f"{why}: {count:,}" for why, count in sorted(left.items()))
    console.print(
        f"{target}: {len(published):,} of {len(pairs):,} pairs{f' ({told})' if told else ''}", highlight=False
    )
