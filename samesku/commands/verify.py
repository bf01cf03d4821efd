"""`samesku verify`: people's checks of a teacher's set, from the plan to the gate; and the audit of a test set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from samesku.errors import CommandError
from train.pairs.pairs import PairFileError, data_root, read_rows
from train.verification.agreement import Agreement, Kappa, agreement_of
from train.verification.assess import Assessment, Bounded, assess
from train.verification.audit import (
    CAVEATS,
    Correction,
    Quality,
    correct,
    read_audit,
    read_published_rate,
    read_scores,
)
from train.verification.estimate import stratified_rates
from train.verification.gate import DEFAULT_LIMIT, GatePolicy, UnverifiedTeacherError, require_files
from train.verification.plan import UNIFORM_SHARE, PlanError, plan_tasks
from train.verification.records import (
    Task,
    VerificationFileError,
    collect,
    enriched,
    read_checks,
    read_claims,
    read_labels,
    read_tasks,
    write_lines,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="People's checks of a teacher: what to look at, what they say, and the gate.",
)

Checks = Annotated[Path, typer.Argument(help="JSON Lines of checks: tasks with reviewer and verdict.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output instead of a table.")]
Unresolved = Annotated[
    Literal["wrong", "skip"], typer.Option(help="A claim on which reviewers tie or are unsure: an error, or left out.")
]


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a file is the user's to mend: said without a traceback."""
    try:
        yield
    except (VerificationFileError, PairFileError, PlanError, UnverifiedTeacherError, OSError) as error:
        raise CommandError(str(error)) from error


@app.command()
def plan(
    rationales: Annotated[Path, typer.Argument(help="A teacher's set: rationale records, or rows with an answer.")],
    budget: Annotated[int, typer.Option(min=1, help="How many pairs people can check.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="Tasks to write, one a line.")],
    pairs: Annotated[Path | None, typer.Option(help="Pair file with the listings (and their prices).")] = None,
    scores: Annotated[
        Path | None, typer.Option(help="The student's scores of the pairs (samesku evaluate --scores).")
    ] = None,
    uniform_share: Annotated[float, typer.Option(help="Part of the budget that looks at the whole.")] = UNIFORM_SHARE,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    name: Annotated[str | None, typer.Option(help="What the set is called; default: its file's name.")] = None,
) -> None:
    """Draw what people should check: part uniform, part where doubt, value and change are."""
    with _told():
        probabilities = {row.pair_id: row.probability for row in read_scores(scores)} if scores else {}
        listings = {str(row.get("pair_id")): row for row in read_rows(pairs)} if pairs else {}
        claims = enriched(read_claims(rationales), probabilities, listings)
        tasks = plan_tasks(claims, budget, set_name=name or rationales.name, seed=seed, uniform_share=uniform_share)
        write_lines(out, tasks)
    Console().print(_strata_table(tasks))
    strata = {task.stratum: task for task in tasks}
    drawn, sizes = np.array([(task.stratum_drawn, task.stratum_size) for task in strata.values()]).T
    found = stratified_rates(np.zeros_like(drawn), drawn, sizes)
    typer.echo(
        f"{len(tasks)} of {len(claims)} claims to check, written to {out}. If not one is wrong, the error rate is shown"
        f" to be below {float(found.upper):.2%} (one-sided, 95%)."
    )


def _strata_table(tasks: list[Task]) -> Table:
    table = Table(Column("stratum", overflow="fold"), "claims", "uniform", "targeted", "probability of each")
    counted = Counter((task.stratum, task.share) for task in tasks)
    for stratum, task in sorted({task.stratum: task for task in tasks}.items()):
        uniform, targeted = counted[stratum, "uniform"], counted[stratum, "targeted"]
        table.add_row(stratum, str(task.stratum_size), str(uniform), str(targeted), f"{task.inclusion_probability:.4f}")
    return table


@app.command(name="collect")
def collect_labels(
    tasks: Annotated[Path, typer.Argument(help="Tasks as `plan` wrote them.")],
    labels: Annotated[Path, typer.Argument(help="Labels as match.labels carries them, JSON Lines.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="Checks to write, one a line.")],
) -> None:
    """Join people's labels to the tasks they answer."""
    with _told():
        planned = read_tasks(tasks)
        checks, foreign = collect(planned, read_labels(labels))
        write_lines(out, checks)
    done = len({check.task_id for check in checks})
    typer.echo(f"{done} of {len(planned)} tasks have a label; {foreign} labels are of pairs that were not drawn.")


@app.command()
def agreement(checks: Checks, json: Json = False) -> None:
    """How far reviewers agree beyond chance: Cohen's kappa of each two, Fleiss' of all, with 95% intervals."""
    with _told():
        found = agreement_of(read_checks(checks))
    if json:
        _print_json({question: _agreement_json(answer) for question, answer in found.items()})
        return
    table = Table("question", "reviewers", "items", "agree", "kappa", "95% interval", "note")
    for question, answer in found.items():
        note = f"{answer.left_out} items with another number of ratings left out" if answer.left_out else ""
        rows: list[tuple[str, Kappa, str]] = [(f"all ({answer.raters} an item), Fleiss", answer.fleiss, note)]
        rows += [(f"{first} and {second}, Cohen", kappa, "") for (first, second), kappa in answer.cohen.items()]
        for who, kappa, more in rows:
            interval = "" if kappa.low is None else f"{kappa.low:.3f} to {kappa.high:.3f}"
            notes = "; ".join(filter(None, (kappa.note, more)))
            table.add_row(
                question, who, str(kappa.items), _share(kappa.observed), _number(kappa.value), interval, notes
            )
    Console().print(table)


def _agreement_json(found: Agreement) -> dict[str, Any]:
    cohen = [{"reviewers": list(who), **vars(kappa)} for who, kappa in found.cohen.items()]
    return {"fleiss": vars(found.fleiss), "raters": found.raters, "left_out": found.left_out, "cohen": cohen}


@app.command()
def estimate(checks: Checks, unresolved: Unresolved = "wrong", json: Json = False) -> None:
    """The teacher's error rate, of its answers and of each attribute, with 95% intervals."""
    with _told():
        found = assess(read_checks(checks), unresolved)
    if json:
        _print_json(found.as_json())
    else:
        _print_assessment(found)


def _print_assessment(found: Assessment) -> None:
    table = Table(
        "what", "checks", "errors", "error rate", "95% interval", "one-sided upper", "effective n",
        title=f"{found.set_name} ({found.set_size} claims, {found.set_digest[:12]})",
    )  # fmt: skip
    rows: dict[str, Bounded] = {"answer, all checks": found.answer, "answer, uniform share": found.uniform}
    for what, rate in (rows | {name: rate for name, rate in found.attributes.items() if rate.checks}).items():
        table.add_row(
            what, str(rate.checks), str(rate.errors), _share(rate.rate), f"{rate.low:.2%} to {rate.high:.2%}",
            f"{rate.upper:.2%}", f"{rate.effective:.0f}",
        )  # fmt: skip
    Console().print(table)
    typer.echo(
        f"By inclusion probabilities: Horvitz-Thompson {_share(found.horvitz_thompson)}, Hájek {_share(found.hajek)}."
    )
    if found.checked < found.tasks:
        typer.echo(
            f"{found.tasks - found.checked} of {found.tasks} tasks are unchecked: the estimate takes them to be like"
            " the checked ones of their stratum, and there is no Horvitz-Thompson estimate."
        )
    if found.uncovered:
        typer.echo(f"{found.uncovered:.1%} of the claims are in strata without a check; the bounds allow for anything.")
    if found.unresolved:
        how = "counted as errors" if found.unresolved_as == "wrong" else "left out"
        typer.echo(f"{found.unresolved} claims are unresolved (a tie, or unsure) and {how}.")


@app.command()
def gate(
    checks: Annotated[list[Path], typer.Argument(help="JSON Lines of checks, one file a teacher's set.")],
    limit: Annotated[float, typer.Option(help="The highest error rate of answers to train on.")] = DEFAULT_LIMIT,
    bound: Annotated[
        Literal["upper", "point", "lower"],
        typer.Option(help="What must not exceed it: the one-sided 95% upper bound, the estimate, or the lower bound."),
    ] = "upper",
    attribute_limit: Annotated[float | None, typer.Option(help="The same for each attribute's verdicts.")] = None,
    unresolved: Unresolved = "wrong",
    trained_on: Annotated[
        list[Path] | None, typer.Option(help="A teacher's set to train on: must be one that the checks are of.")
    ] = None,
) -> None:
    """End with 1 unless the checks show the teacher's set to be good enough to train on."""
    for value in (limit, attribute_limit):
        if value is not None and not 0 < value < 1:
            raise typer.BadParameter(f"limit is {value}; valid: between 0 and 1")
    policy = GatePolicy(limit=limit, attribute_limit=attribute_limit, bound=bound, unresolved=unresolved)
    with _told():
        for found in require_files(checks, policy, trained_on or []):
            typer.echo(
                f"{found.set_name}: admitted at a limit of {limit:.2%} ({bound}): error rate"
                f" {_share(found.answer.rate)}, one-sided 95% bounds {found.answer.lower:.2%} and"
                f" {found.answer.upper:.2%}, {found.answer.checks} checks"
            )


@app.command(name="correct")
def correct_evaluation(
    scores: Annotated[Path, typer.Option(help="Scores of a test set (samesku evaluate --scores).")],
    threshold: Annotated[float, typer.Option(min=0, max=1, help="A match from this probability on: the bundle's own.")],
    audit: Annotated[
        Path | None, typer.Option(help="The audit: file or folder; default: human-audit of SAMESKU_DATA.")
    ] = None,
    benchmark: Annotated[str, typer.Option(help="The set's name in labeler_error_rates.csv.")] = "abt-buy",
    json: Json = False,
) -> None:
    """Evaluate by gold labels, and by what people said of those that were audited."""
    path = audit or data_root() / "human-audit"
    with _told():
        rows, audited = read_scores(scores), read_audit(path)
        rates = (path if path.is_dir() else path.parent) / "labeler_error_rates.csv"
        published = read_published_rate(rates, benchmark) if rates.is_file() else None
        found = correct(rows, np.array([row.probability >= threshold for row in rows]), audited, published)
    if json:
        _print_json(found.as_json())
    else:
        _print_correction(found)


def _print_correction(found: Correction) -> None:
    table = Table("labels", "pairs", "precision", "recall", "F1", "95% interval")
    rows: dict[str, Quality] = {
        "gold": found.gold,
        "audited in place of gold": found.corrected,
        "the same without ambiguous pairs": found.without_ambiguous,
        "audited pairs only, gold": found.audited_only_gold,
        "audited pairs only, audited": found.audited_only_corrected,
    }
    for name, quality in rows.items():
        table.add_row(
            name, str(quality.pairs), _share(quality.precision), _share(quality.recall), _share(quality.f1),
            f"{quality.f1_low:.2%} to {quality.f1_high:.2%}",
        )  # fmt: skip
    console = Console()
    console.print(table)
    typer.echo(
        f"{found.audited} pairs audited ({found.audited_match_share:.0%} gold matches, {found.match_share:.0%} in all):"
        f" {found.disputed_to_match} gold non-matches are matches,"
        f" {found.disputed_to_non_match} gold matches are none, {found.ambiguous} are ambiguous.\n"
        f"F1 moves by {100 * found.difference:+.2f} points"
        f" (95% interval {100 * found.difference_low:+.2f} to {100 * found.difference_high:+.2f}, paired)."
    )
    bounds = Table("if, of the labels that nobody audited,", "wrong labels", "F1 at least", "F1 at most")
    for bound in found.bounds:
        bounds.add_row(bound.assumption, str(bound.wrong_labels), _share(bound.f1_lowest), _share(bound.f1_highest))
    console.print(bounds)
    for caveat in CAVEATS:
        typer.echo(f"* {caveat}")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _print_json(found: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode())
