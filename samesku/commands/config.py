"""`samesku config`: every setting in force and where its value came from. Secrets are hidden."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.settings import Value, load_with_sources

app = typer.Typer(help="Show every setting in force and where its value came from.")


@app.command()
def show(
    json: Annotated[bool, typer.Option("--json", help="One JSON object: key to value and source.")] = False,
    changed: Annotated[bool, typer.Option(help="Only what is not a default.")] = False,
) -> None:
    """Show every setting in force and where its value came from; secrets are hidden."""
    values = [value for value in load_with_sources().values() if not changed or value.source != "default"]
    if json:
        listed = {value.key: {"value": value.value, "source": value.source} for value in values}
        typer.echo(orjson.dumps(listed, option=orjson.OPT_INDENT_2, default=str).decode())
    else:
        Console().print(table(values))


def table(values: list[Value]) -> Table:
    """One row a setting."""
    shown = Table("setting", "value", "source", box=None, pad_edge=False)
    for value in values:
        text = orjson.dumps(value.value, default=str).decode()
        style = "dim" if value.source == "default" else ""
        # Text, not str: a value in square brackets is no markup.
        shown.add_row(Text(value.key), Text(text), Text(value.source), style=style)
    return shown
