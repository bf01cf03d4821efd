"""`samesku train`: fine-tune a student and calibrate it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from samesku.commands.train_rl import mount
from samesku.errors import CommandError

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Train a student.")


@app.command()
def sft(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the run: checkpoints, adapter, training.json.")],
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TOML with values other than the recipe's.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="'default', a .gguf file, or a folder of any Hugging Face causal LM.")
    ] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Stop after so many steps.")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the pairs; the direction flips each time.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of data order and initial weights.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many pairs (a trial).")] = None,
) -> None:
    """LoRA fine-tuning on the data of SAMESKU_DATA. A run that was stopped goes on from its last checkpoint."""
    from export.base import BaseModelError
    from train.pairs.pairs import PairFileError
    from train.sft.config import ConfigFileError, read_config
    from train.sft.recipe import run_sft

    try:
        given = read_config(config, base=base, max_steps=max_steps, epochs=epochs, seed=seed, limit=limit)
        adapter = run_sft(given, out)
    except ConfigFileError as error:
        raise typer.BadParameter(str(error)) from error
    except (PairFileError, BaseModelError, ValueError) as error:
        raise CommandError(str(error)) from error
    typer.echo(adapter)


@app.command()
def score(
    run: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of a run, with its adapter.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="JSON Lines to write, gzipped: one scored pair a line.")],
    sets: Annotated[
        str, typer.Option(help="valid, test, or one set as abt-buy:valid; several are joined by commas.")
    ] = "valid",
    base: Annotated[str | None, typer.Option(help="Base model; default: the one that training.json names.")] = None,
) -> None:
    """Score evaluation sets with base and adapter in torch, without an export; the logits are not calibrated."""
    from export.base import BaseModelError
    from train.pairs.pairs import PairFileError
    from train.sft.scorer import load_student
    from train.sft.scores import UnknownSetError, evaluation_sets, score_sets, write_scores

    adapter = run / "adapter"
    if not (adapter / "adapter_config.json").is_file():
        raise CommandError(f"{run} holds no adapter: the run is not finished, or it is no run of `samesku train sft`")
    try:
        chosen = evaluation_sets([name.strip() for name in sets.split(",")])
        trained = run / "training.json"
        named = orjson.loads(trained.read_bytes())["config"]["base"] if trained.is_file() else "default"
        model, encoder = load_student(base or named, adapter)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            tasks = {name: progress.add_task(":".join(name), total=len(pairs)) for name, pairs in chosen.items()}
            rows = score_sets(model, encoder, chosen, lambda name, done: progress.advance(tasks[name], done))
    except (PairFileError, BaseModelError, UnknownSetError) as error:
        raise CommandError(str(error)) from error
    write_scores(out, rows)
    typer.echo(out)


@app.command()
def holdout(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the run: as of `sft`, and the scores.")],
    config: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Recipe (TOML).")] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="A set to leave out; may be given again.")] = None,
    hold_products: Annotated[
        float | None, typer.Option(min=0, max=0.99, help="Share of each set's products that training must not touch.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="As of `sft`.")] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="As of `sft`.")] = None,
    seed: Annotated[int | None, typer.Option(help="As of `sft`.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="As of `sft`.")] = None,
    publish_to: Annotated[
        Path | None, typer.Option(file_okay=False, help="Also copy facts and scores here, where a report reads them.")
    ] = None,
) -> None:
    """Train with a set or products held out, then score validation and test pairs of all sets. Resumable."""
    from export.base import BaseModelError
    from train.pairs.pairs import PairFileError
    from train.sft.config import ConfigFileError, read_config
    from train.sft.holdout import publish, run_holdout

    try:
        given = read_config(
            config, leave_out=leave_out or None, hold_products=hold_products, base=base, max_steps=max_steps,
            seed=seed, limit=limit,
        )  # fmt: skip
    except ConfigFileError as error:
        raise typer.BadParameter(str(error)) from error
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("scoring", total=None)
            scores = run_holdout(given, out, progress=lambda name, done: progress.advance(task, done))
    except (PairFileError, BaseModelError, ValueError) as error:
        raise CommandError(str(error)) from error
    if publish_to is not None:
        publish(out, publish_to)
    typer.echo(scores)


@app.command()
def release(
    config: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Recipe (TOML), as train/recipes/cpu.toml.")
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of everything that is made.")],
    name: Annotated[str, typer.Option(help="Name of the student.")] = "samesku",
    version: Annotated[str, typer.Option(help="Semantic version of the student.")] = "0.1.0",
    recipe: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of the recipe to be committed; default: OUT/recipe.")
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="A set that a further run leaves out, for the report; may be given again.")
    ] = None,
    hold_products: Annotated[
        float, typer.Option(min=0, max=0.99, help="Share of products that a further run holds out, for the report.")
    ] = 0.0,
    processes: Annotated[int, typer.Option(min=1, help="Of training, one a GPU.")] = 1,
    base: Annotated[str | None, typer.Option(help="Instead of the recipe's.")] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many training pairs (a trial).")] = None,
    sample: Annotated[
        int | None, typer.Option(min=50, help="Pairs of each set that calibration looks at; default: all.")
    ] = None,
    both_orders_within: Annotated[
        float,
        typer.Option(min=0, help="Judge pairs whose logit is so near a threshold in both orders; 0: none."),
    ] = 1.0,
    report: Annotated[str, typer.Option(help="Further options of `samesku report`, as '--limit 100 --cases 0'.")] = "",
) -> None:
    """From the data of SAMESKU_DATA to adapter, bundle and report: every stage whose output does not stand already."""
    import shlex

    from train.pairs.pairs import data_root
    from train.release import Release, stages_of
    from train.sft.config import ConfigFileError, read_config
    from train.stages import StageError, run_stages

    try:
        settings = read_config(config, base=base)
    except ConfigFileError as error:
        raise typer.BadParameter(str(error)) from error
    made = Release(
        config=config, run=out, name=name, version=version, recipe=recipe, leave_out=tuple(leave_out or ()),
        hold_products=hold_products, processes=processes, base=base, max_steps=max_steps, limit=limit, sample=sample,
        both_orders_within=both_orders_within, report=tuple(shlex.split(report)),
    )  # fmt: skip
    first = Path(settings.init) if settings.init else None
    console = Console(stderr=True)
    try:
        run_stages(
            stages_of(made, data_root(), settings.base, first), out, lambda text: console.print(text, highlight=False)
        )
    except StageError as error:
        raise CommandError(str(error)) from error
    typer.echo(out / "report")


@app.command()
def calibrate(
    out: Annotated[
        Path,
        typer.Option(help="JSON to write: calibration, thresholds, validation quality, training data, and a report."),
    ],
    bundle: Annotated[str, typer.Option(help="Folder of the exported bundle, or 'default'.")] = "default",
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="Saved validation scores instead of judging; may be given again."
        ),
    ] = None,
    training: Annotated[
        Path | None, typer.Option(exists=True, help="training.json of the run, to name the data it saw.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=50, help="Pairs a set, a seeded uniform sample; default: all.")
    ] = None,
    target_precision: Annotated[float | None, typer.Option(help="Least precision of automatic matches.")] = None,
    target_npv: Annotated[float | None, typer.Option(help="Least share right of automatic rejections.")] = None,
    review_budget: Annotated[float | None, typer.Option(help="Largest share of pairs that people see.")] = None,
    plots: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for the reliability and risk-coverage pictures (SVG).")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Fit calibration and thresholds on the validation sets, through the serving engine or from saved scores.

    With targets the thresholds are those that keep them by their one-sided 95% bounds, with people between; else there
    is one, of best F1. Scores are those of `samesku evaluate --scores` or `samesku train score`.
    """
    from functools import partial

    from schemas.bundle import BundleError
    from train.calibration import run
    from train.calibration.fit import UncalibratableError
    from train.calibration.scores import ScoresError, calibration_pairs, read_scores
    from train.calibration.thresholds import Targets
    from train.pairs.pairs import PairFileError, data_root
    from worker.student.locate import find_bundle
    from worker.student.student import Student

    console = Console(stderr=True, highlight=False)
    try:
        targets = Targets(target_precision, target_npv, review_budget)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    try:
        if scores:
            # Scores of someone's own catalogue need no public data; with the data, test pairs are recognised.
            saved = read_scores(scores, calibration_pairs()[1] if data_root().is_dir() else ())
            scored = saved.sets
            for name, count in saved.left_out.items():
                console.print(f"{name}: {count} test pairs left out")
        else:
            scored = {}
            student = Student.load(find_bundle(bundle), threads)
            for name, pairs in calibration_pairs()[0].items():
                with Progress(console=console, transient=True) as progress:
                    task = progress.add_task(name, total=min(len(pairs), sample or len(pairs)))
                    scored[name], rate = run.judge_validation(student, pairs, sample, partial(progress.advance, task))
                console.print(f"{name}: {len(scored[name][1])} pairs, {rate:.1f} pairs/s")
        made = run.calibrate(scored, targets)
    except (PairFileError, BundleError, ScoresError, UncalibratableError) as error:
        raise CommandError(str(error)) from error
    facts = made.facts
    if training is not None:
        facts |= run.training_facts(training)
        facts["calibration_report"]["sampling_log_odds"] = run.prior_facts(training, made.fitted)
    out.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
    for path in run.write_pictures(plots, scored, made.fitted) if plots is not None else ():
        console.print(f"wrote {path}")
    console.print(f"thresholds {facts['thresholds']}, validation F1 {facts['quality']['validation_f1']}")
    for line in made.unmet():
        console.print(f"[yellow]{line}")


@app.command()
def mine(
    out: Annotated[Path, typer.Option(dir_okay=False, help="Pair file to write: .jsonl or .jsonl.gz.")],
    redis_url: Annotated[
        str | None, typer.Option(help="Redis for the index; default: one of our own, started and ended here.")
    ] = None,
    per_offer: Annotated[int, typer.Option(min=1, help="Negatives of an offer, at most.")] = 3,
    depth: Annotated[int, typer.Option(min=1, help="Only among so many of the index's candidates.")] = 10,
    both_known: Annotated[bool, typer.Option(help="Only candidates whose own match is known: fewer, safer.")] = True,
    codes_differ: Annotated[
        bool, typer.Option(help="Where no product ids are stated, only pairs whose codes conflict: fewer, safer.")
    ] = True,
    leave_out: Annotated[list[str] | None, typer.Option(help="A set that is not read; may be given again.")] = None,
    hold_products: Annotated[float, typer.Option(min=0, help="As in training: share of products held out.")] = 0.0,
    hold_seed: Annotated[int, typer.Option(help="As in training: of the choice of those products.")] = 17,
    large: Annotated[
        bool, typer.Option(help="As in training: also among the offers of WDC Products' large file.")
    ] = False,
    risk: Annotated[
        bool, typer.Option(help="Also hide 40% of the known matches and count how many of them are mined.")
    ] = False,
) -> None:
    """Mine hard negatives for training from the blocking index, out of the data of SAMESKU_DATA."""
    from contextlib import ExitStack

    from samesku.blocked import BlockedPools
    from samesku.embedded.redis import EmbeddedRedis
    from samesku.embedded.supervise import EmbeddedError
    from train.pairs.mining import MiningRule, count_by_origin, hidden_matches, write_mined
    from train.pairs.mining import mine as mine_pairs
    from train.pairs.pairs import PairFileError, data_root
    from train.pairs.sources import read_sources

    console = Console(stderr=True)
    rule = MiningRule(per_offer=per_offer, depth=depth, both_known=both_known, codes_differ=codes_differ)
    try:
        sources = read_sources(
            data_root(), leave_out=leave_out or (), hold_products=hold_products, hold_seed=hold_seed, large=large
        )
        sources.guard.dropped.clear()  # from here on it counts mined pairs
        with ExitStack() as stack:
            blocking = BlockedPools(redis_url or stack.enter_context(EmbeddedRedis()).address)
            mined = mine_pairs(sources.pairs, blocking, sources.guard, rule)
            for origin, (found, wrong) in hidden_matches(sources.pairs, blocking, rule).items() if risk else ():
                console.print(f"{origin}: of {found} mined, {wrong} are matches that were hidden", highlight=False)
    except (PairFileError, ValueError, EmbeddedError) as error:
        raise CommandError(str(error)) from error
    write_mined(out, mined)
    dropped = sources.guard.dropped
    for origin, count in count_by_origin(mined).items():
        console.print(f"{origin}: {count} mined, {dropped.get(origin, 0)} guarded", highlight=False)
    typer.echo(out)


mount(app)
