"""`samesku why OFFER_A OFFER_B`: the history of a pair and what stands, or why the two were never compared."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer
from rich.console import Console

from samesku.errors import CommandError
from schemas.offer import Offer
from schemas.settings import load_settings

app = typer.Typer(add_completion=False, help="Why two offers were matched, rejected, or never compared.")

# Of a page that is not for a terminal: wide enough for two listings side by side.
_WIDTH = 110


@app.command()
def why(
    offer_a: Annotated[str, typer.Argument(help="source:offer_id, as in the Kafka key.")],
    offer_b: Annotated[str, typer.Argument(help="The other offer; the order does not matter.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as one JSON object.")] = False,
    stored_only: Annotated[
        bool, typer.Option("--stored-only", help="Ask the audit store alone: no broker, no index.")
    ] = False,
) -> None:
    """Every decision about a pair through time and model versions, each with its rationale; what stands, and why.

    Of a pair that was never compared: its rank and score in the live index, and what kept the two apart.
    """
    settings = load_settings()
    # After the settings were found good: these import DuckDB, pyarrow and the clients.
    from samesku.why.text import absence_page, as_data, page
    from worker.audit.errors import AuditError
    from worker.audit.history import history
    from worker.audit.store import AuditStore

    audit = settings.audit
    try:
        store = AuditStore(audit.root, memory_mb=audit.memory_mb, threads=audit.threads)
        found = history(store, offer_a, offer_b)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="OFFER_A OFFER_B") from error
    except AuditError as error:
        raise CommandError(f"{error} (audit.root; `samesku audit sink` fills it)") from error
    absence, notes = None, list[str]()
    present: dict[str, Offer] = {}
    if not found.entries and not stored_only:
        from samesku.why.live import Live, why_not

        live = Live(settings)
        ahead = live.unstored(store, found.pair_id)
        if ahead:
            live.notes.append(
                f"match.decisions holds {len(ahead)} decisions of this pair that are not in the store yet"
            )
        absence, present = why_not(store, live, found.pair_id)
        notes = live.notes
    if as_json:
        typer.echo(orjson.dumps(as_data(found, absence, notes), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    for part in page(found):
        console.print(part)
    if absence is not None:
        for part in absence_page(absence, present):
            console.print(part)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
