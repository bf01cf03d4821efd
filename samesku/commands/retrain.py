"""`samesku retrain`: from people's labels to a candidate in the registry, or to a refusal with its numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from samesku.errors import CommandError

if TYPE_CHECKING:
    from worker.registry.state import RegistryState

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Retrain on what people decided, and refuse what is not better."
)

RECIPE = Path(__file__).parents[2] / "train" / "recipes" / "retrain.toml"
Since = Annotated[
    datetime | None,
    typer.Option(help="Train on labels from then on (UTC); default: from when the live bundle was registered, or all."),
]


@app.command()
def labels(
    out: Annotated[Path, typer.Option(file_okay=False, help="Gets labels.jsonl, held.jsonl and labels.json.")],
    since: Since = None,
    held_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the pairs held out, by hash.")] = 0.25,
    max_teacher_error: Annotated[
        float, typer.Option(min=0, max=1, help="The teacher's labels count while its error rate is surely below.")
    ] = 0.05,
) -> None:
    """Read match.labels and the contents that were looked at; write pair files to train on and to measure on."""
    from samesku.labelled import read_contents, read_placed_labels
    from samesku.matches.log import LogUnreadable
    from schemas.settings import ConfigError, load_settings
    from train.retraining.labelled import collect
    from train.retraining.stages import COUNTS, HELD, LABELS
    from worker.registry.registry import Registry
    from worker.stream.errors import Unavailable

    try:
        kafka = load_settings().kafka
        if since is None:
            since = _live_since(Registry(kafka).state())
        placed, bad = read_placed_labels(kafka)
        contents = read_contents(kafka, {digest for label, _ in placed for digest in label.digests})
    except (ConfigError, LogUnreadable, Unavailable) as error:
        raise CommandError(str(error)) from error
    moment = since if since is None or since.tzinfo else since.replace(tzinfo=UTC)
    made = collect(placed, contents, since=moment, held_share=held_share, max_teacher_error=max_teacher_error)
    if bad:
        made.counts["unreadable"] += bad
    out.mkdir(parents=True, exist_ok=True)
    _write(out / LABELS, made.train)
    _write(out / HELD, made.held)
    facts = {
        "since": moment.isoformat() if moment else None,
        "counts": dict(sorted(made.counts.items())),
        "teacher": {"checked": made.teacher.checked, "wrong": made.teacher.wrong, "upper": made.teacher.upper,
                    "limit": made.teacher.limit, "admitted": made.teacher.admitted},
    }  # fmt: skip
    (out / COUNTS).write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2) + b"\n")
    for what, count in sorted(made.counts.items()):
        typer.echo(f"{count:6} {what}")
    if not made.train:
        raise CommandError(f"no label to train on{f' since {moment:%Y-%m-%d %H:%M} UTC' if moment else ''}")


@app.command()
def verdict(
    old: Annotated[str, typer.Option(help="The live bundle: a folder, a release's name or 'default'.")],
    new: Annotated[str, typer.Option(help="The retrained bundle.")],
    held: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Held-out labels (`retrain labels`).")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="JSON with the verdict and its numbers.")],
    sample: Annotated[int | None, typer.Option(min=20, help="Pairs of each validation set; default: all.")] = None,
    validation: Annotated[bool, typer.Option(help="Also look at the validation sets of SAMESKU_DATA.")] = True,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Judge the held-out labels and the validation sets with both; exit code 1 unless the new one is better."""
    import random

    from schemas.bundle import BundleError
    from train.calibration.run import SAMPLE_SEED
    from train.calibration.scores import calibration_pairs
    from train.pairs.pairs import Pair, PairFileError, data_root, read_pairs
    from train.retraining.both import judge_both
    from train.retraining.verdict import judge
    from worker.registry.locations import locate
    from worker.student.student import Student

    console = Console(stderr=True, highlight=False)
    try:
        students = [Student.load(locate(name), threads) for name in (old, new)]
        wanted: dict[str, list[Pair]] = {"held": read_pairs(held) if held.stat().st_size else []}
        sets = calibration_pairs()[0] if validation and data_root().is_dir() else {}
        for name, pairs in sets.items():
            wanted[name] = random.Random(SAMPLE_SEED).sample(pairs, min(sample or len(pairs), len(pairs)))
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("judging with both", total=2 * sum(map(len, wanted.values())))
            judged = {
                name: judge_both(students[0], students[1], pairs, lambda done: progress.advance(task, done))
                for name, pairs in wanted.items()
            }
    except (BundleError, PairFileError) as error:
        raise CommandError(str(error)) from error
    found = judge(judged.pop("held"), judged)
    report: dict[str, Any] = {
        "better": found.better,
        "reasons": found.reasons,
        "old": students[0].manifest.digest(),
        "new": students[1].manifest.digest(),
        **found.numbers,
    }
    out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    for reason in found.reasons:
        typer.echo(reason)
    if not found.better:
        raise CommandError("refused: the retrained student is not shown to be better than the live one")


@app.command()
def run(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of this retraining; the same command goes on.")],
    name: Annotated[str, typer.Option(help="Name of the student.")],
    version: Annotated[str, typer.Option(help="Semantic version of the retrained student.")],
    adapter: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="What training goes on from: the live student's adapter.")
    ],
    live: Annotated[str, typer.Option(help="The live bundle: a folder, a release's name or 'default'.")] = "default",
    config: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Recipe (TOML).")] = RECIPE,
    since: Since = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=50, help="Pairs of each validation set for calibration and verdict; default: all.")
    ] = None,
    report: Annotated[str, typer.Option(help="Further options of `samesku report`.")] = "",
    register: Annotated[bool, typer.Option(help="Register the candidate if it is better.")] = True,
    shadow: Annotated[bool, typer.Option(help="Let it judge beside the live one then; it decides nothing.")] = False,
) -> None:
    """Labels, SFT, export, calibration, report card, verdict, candidate: every stage that does not stand already.

    Ends with code 1, and registers nothing, when the retrained student is not better. Promoting it is a command of its
    own (`samesku models promote`), after a shadow or a canary.
    """
    import shlex

    from schemas.bundle import BundleError, load_manifest
    from train.pairs.pairs import data_root
    from train.release import Release
    from train.retraining.stages import RECIPE as DERIVED
    from train.retraining.stages import Retraining, derive_recipe, retraining_stages
    from train.sft.config import ConfigFileError, read_config
    from train.stages import StageError, run_stages
    from worker.registry.locations import locate

    try:
        # How the live one judges is no matter of training: the retrained one judges likewise.
        margin = load_manifest(locate(live)).both_orders_within
    except BundleError as error:
        raise typer.BadParameter(str(error), param_hint="--live") from error
    out.mkdir(parents=True, exist_ok=True)
    derived = out / DERIVED
    try:
        derived.write_text(derive_recipe(config.read_text(encoding="utf-8"), adapter, out), encoding="utf-8")
        base = read_config(derived).base
    except (ConfigFileError, ValueError) as error:
        raise typer.BadParameter(f"{config}: {error}") from error
    wanted = Retraining(
        Release(
            config=derived, run=out, name=name, version=version, max_steps=max_steps, sample=sample,
            both_orders_within=margin, report=tuple(shlex.split(report)),
        ),
        live, ("--since", since.isoformat()) if since else (), register or shadow, shadow, sample,
    )  # fmt: skip
    console = Console(stderr=True)
    try:
        run_stages(
            retraining_stages(wanted, data_root(), base, adapter), out,
            lambda text: console.print(text, highlight=False),
        )  # fmt: skip
    except StageError as error:
        raise CommandError(str(error)) from error
    typer.echo(out / "bundle")


def _live_since(state: RegistryState) -> datetime | None:
    """When the live bundle was registered: it was trained before. None where the registry names none."""
    live = state.alias("live")
    entry = state.bundles.get(live.digest) if live is not None else None
    return entry.registered_at if entry is not None else None


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
