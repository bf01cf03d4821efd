"""`samesku teacher serve` and `errors`: the teacher answers tasks first, and people say how often it is wrong."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from samesku.errors import CommandError
from schemas.settings import Settings, load_settings

Answers = Annotated[
    Path, typer.Option("--answers", dir_okay=False, help="SQLite file of what it said and what became of it.")
]
ANSWERS = Path("teacher-answers.sqlite")


def serve(
    budget_per_day: Annotated[float, typer.Option(min=0, help="Money that a day (UTC) may cost.")],
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TOML with the teacher's settings, prices too.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="The endpoint, e.g. http://127.0.0.1:8080/v1.")] = None,
    model: Annotated[str | None, typer.Option(help="The model, as the endpoint names it.")] = None,
    store: Annotated[Path | None, typer.Option(dir_okay=False, help="SQLite file of replies already paid for.")] = None,
    answers: Answers = ANSWERS,
    confidence: Annotated[float, typer.Option(min=0, max=1, help="Below it the pair goes to people.")] = 0.8,
    check_share: Annotated[
        float, typer.Option(min=0, max=1, help="Of its answers, kept back for people to answer blind.")
    ] = 0.05,
    judges: Annotated[
        list[Path] | None, typer.Option(file_okay=False, help="Folder of a validated judge; several may be given.")
    ] = None,
    judge_score: Annotated[
        float, typer.Option(min=0, max=1, help="A verdict that a judge gives less goes to people.")
    ] = 0.5,
    until_idle: Annotated[
        float | None, typer.Option(min=1, help="End when no task has come for so many seconds.")
    ] = None,
) -> None:
    """Answer review and labelling tasks with the large model, within a budget a day, until told to stop.

    Its answers go to match.labels as the teacher's. People get what it is unsure of, what judges doubt, and a share
    that says how often it is wrong (`samesku teacher errors`).
    """
    from samesku.teacher.serving import Serving
    from train.judges.admission import JudgeRefused, admit
    from train.judges.interface import JudgeFileError
    from train.teacher.answering import Rules
    from train.teacher.config import load_config
    from train.teacher.ledger import Ledger
    from train.teacher.store import Store, StoreError
    from worker.stream import logs

    settings = _settings()
    per_day = Decimal(str(budget_per_day))
    given = {"base_url": base_url, "model": model, "store": store}
    table = load_config(config, given)
    if table.price is None:
        # Without a price no budget can be kept; asked for here, so that the message names the setting.
        table = load_config(config, {**given, "budget": str(per_day or 1)})
    try:
        admitted = admit(judges) if judges else []
        with ExitStack() as open_files:
            kept = open_files.enter_context(Store(table.store))
            ledger = open_files.enter_context(Ledger(answers))
            serving = Serving(
                settings, table, per_day, Rules(confidence, check_share, judge_score), admitted, kept, ledger,
                logs.configure(settings.log), idle_s=until_idle,
            )  # fmt: skip
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: serving.stop())
            serving.run()
    except (StoreError, JudgeRefused, JudgeFileError) as error:
        raise CommandError(str(error)) from error


def errors(
    answers: Answers = ANSWERS,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the interval.")] = 0.95,
) -> None:
    """How often the teacher's answers are wrong, by what people said of the shares that were kept for it."""
    from train.teacher.answering import error_rate
    from train.teacher.ledger import Ledger
    from train.teacher.store import StoreError
    from worker.labeling.reading import PEOPLE, read_answers
    from worker.replay.errors import ReplayError

    settings = _settings()
    if not answers.exists():
        raise CommandError(f"{answers} does not exist; `samesku teacher serve` writes it")
    try:
        with Ledger(answers) as ledger:
            said, outcomes = ledger.answered(), ledger.outcomes()
        people = read_answers(settings, PEOPLE, lambda *_: None)
    except (StoreError, ReplayError) as error:
        raise CommandError(str(error)) from error
    rates, checked, wrong = error_rate(
        said, {contents: label.verdict for contents, label in people.items()}, confidence
    )  # fmt: skip
    console = Console()
    table = Table("outcome", "tasks")
    for name, count in sorted(outcomes.items()):
        table.add_row(name, str(count))
    console.print(table)
    if not checked:
        console.print("no answer of the teacher was checked by people yet", highlight=False)
        return
    console.print(
        f"wrong in {float(rates.rate):.1%} of its {len(said)} answers ({confidence:.0%}: {float(rates.low):.1%} to"
        f" {float(rates.high):.1%}); people checked {checked} and found {wrong} wrong",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _settings() -> Settings:
    settings = load_settings()
    settings.need_kafka()
    return settings
