"""A run of the teacher on the terminal: what is done, what it has cost, what is left; and the table at its end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from train.teacher.config import TeacherConfig
from train.teacher.costs import StepTally, Tally
from train.teacher.run import Run


def money(amount: Decimal, config: TeacherConfig) -> str:
    """An amount, or a dash where no price is known."""
    return f"{amount:.4f} {config.currency}" if config.price is not None else "-"


class RunProgress:
    """The bar of a run: pairs, failures, tokens, money, time left. Call it with the run."""

    def __init__(self, console: Console, run: Run, config: TeacherConfig) -> None:
        self._config = config
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("teaching", total=run.asked, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, run: Run) -> None:
        total = run.tally.total()
        note = f"{total.prompt_tokens + total.completion_tokens:,} tokens  {money(total.cost, self._config)}"
        if failed := len(run.failures):
            note += f"  {failed} failed"
        self._progress.update(self._task, completed=len(run.outcomes), note=note)


def cost_table(tally: Tally, config: TeacherConfig) -> Table:
    """Requests, tokens and money, by step and in all."""
    table = Table(title=f"{config.model} at {config.base_url}", title_justify="left")
    table.add_column("step")
    for name in ("sent", "from the store", "repairs", "prompt tokens", "reply tokens", "cost"):
        table.add_column(name, justify="right")
    rows: list[tuple[str, StepTally]] = [*tally.steps.items(), ("total", tally.total())]
    for step, each in rows:
        counts = (each.paid, each.kept, each.repairs, each.prompt_tokens, each.completion_tokens)
        table.add_row(step, *(f"{count:,}" for count in counts), money(each.cost, config), end_section=step != "total")
    return table


def run_lines(run: Run, said: Callable[[str], None]) -> None:
    """What became of the pairs, a line each."""
    contradictory = sum(record.contradicts_itself() for record in run.records)
    dropped = sum(len(record.dropped) for record in run.records)
    said(f"{len(run.records)} of {run.asked} pairs have a rationale, {len(run.failures)} failed")
    if contradictory:
        said(f"{contradictory} contradict themselves; they are set aside where the records are admitted to training")
    if dropped:
        said(f"{dropped} claims rest on no true quote and are masked")
    if run.tally.unpriced:
        said(f"no price is known for the model of {run.tally.unpriced} replies (setting `prices`)")
    if run.tally.estimated:
        said(f"the server stated no usage for {run.tally.estimated} replies; their tokens are upper bounds")
