"""`samesku tco`: what a million decisions and a month cost, against a large model's API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from samesku.errors import CommandError

app = typer.Typer(add_completion=False)
WRONG_USAGE = 2


class WrongInputs(CommandError):
    """The file of inputs cannot be used."""

    exit_code = WRONG_USAGE


@app.command(name="tco")
def command(
    inputs: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TOML with your own numbers; the rest stays.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write tco.md, tco.json and the plots there.")
    ] = None,
) -> None:
    """Cost per million decisions and per month: SameSKU on CPU and GPU, an API for every pair, the agentic pipeline."""
    from train.cost.inputs import InputsError, read_inputs
    from train.cost.page import write
    from train.cost.ways import costs, decisions_per_month

    try:
        given = read_inputs(inputs)
    except InputsError as error:
        raise WrongInputs(str(error)) from error
    decisions = decisions_per_month(given)
    table = Table(title=f"{decisions / 1e6:.2f} million decisions a month; {given.currency}")
    table.add_column("way")
    for name in ("judging a million", "month in all", "a million, all in"):
        table.add_column(name, justify="right")
    for way, cost in costs(given).items():
        amounts = (cost.per_million, cost.month(decisions), cost.million(decisions))
        table.add_row(way, *(f"{amount:,.2f}" for amount in amounts))
    console = Console()
    console.print(table)
    assumed = [name for name, one in given.numbers.items() if one.basis == "assumed"]
    console.print(f"Assumed, not measured: {', '.join(assumed)}", soft_wrap=True)
    if out is not None:
        console.print(f"Written: {write(given, out)}")
