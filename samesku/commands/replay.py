"""`samesku replay`: judge again what was decided, with another bundle, beside the live workers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from samesku.errors import CommandError
from schemas.bundle import BundleError
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from worker.replay.offers import OfferSource
    from worker.student.judge import Judge

app = typer.Typer(add_completion=False)

# It becomes part of a transactional id and of a Redis namespace, beside a prefix.
_NAME = re.compile(r"[A-Za-z0-9._-]{1,60}")


@app.command(name="replay")
def command(
    bundle: Annotated[
        str | None, typer.Option(help="The new one: a folder, 'default', an alias or a name of the registry.")
    ] = None,
    out: Annotated[Path | None, typer.Option(file_okay=False, help="Folder of this run; the same one resumes.")] = None,
    begin: Annotated[
        str, typer.Option("--from", help="ISO 8601 time, time ago (2h), offsets (0:17,1:20) or start.")
    ] = "start",
    end: Annotated[str, typer.Option("--to", help="The same; or end.")] = "end",
    mode: Annotated[
        Literal["pairs", "events"], typer.Option(help="Pairs of match.decisions, or changes of catalog.changes.")
    ] = "pairs",
    every: Annotated[bool, typer.Option("--all", help="Every judgement of the range, not only what stands.")] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Judge the pairs as they are now and publish over what stands.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Of this replay, as decisions carry it.")] = None,
    share: Annotated[
        float | None, typer.Option(help="Share of the time in which it works, above 0 to 1. [replay.share]")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Pairs per second at most. [replay.rate]")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. [student.threads]")] = None,
    audit: Annotated[str | None, typer.Option(help="Audit store to take contents from. [audit.root]")] = None,
    keep_index: Annotated[bool, typer.Option("--keep-index", help="Of --mode events: do not purge it.")] = False,
    verify: Annotated[
        Path | None, typer.Option(file_okay=False, help="Judge this folder's input again and compare.")
    ] = None,
) -> None:
    """Judge what was decided again with another bundle, beside the live workers.

    Writes one folder: decisions as JSON Lines, manifest and summary. Killed and given again, the same command goes on
    where it was. Without --publish no live topic and no live index is touched.

    Exit code 0: done (or, with --verify, all is the same); 1: failed, or --verify found a difference; 2: wrong usage.
    """
    overrides = {"student.threads": threads, "replay.share": share, "replay.rate": rate}
    settings = load_settings(overrides=overrides)
    if verify is not None:
        _verify(settings, verify, bundle)
        return
    settings.need_kafka()
    _refuse(bundle is None, "--bundle is missing: which one is to judge?")
    _refuse(out is None, "--out is missing: the folder of this run")
    _refuse(publish and mode == "events", "--publish works on pairs; leave --mode events away")
    _refuse(
        publish and every, "--publish judges pairs as they are now; --all (every past judgement) has no place there"
    )
    _refuse(mode == "events" and every, "--all is for pairs; --mode events judges what the changes lead to")
    _refuse((publish or mode == "events") and settings.redis.url is None, "redis.url is not set (SAMESKU_REDIS__URL)")
    _refuse(name is not None and _NAME.fullmatch(name) is None, "--name needs 1 to 60 letters, digits and . _ -")
    for text in (begin, end):
        _check_point(text)
    if bundle is None or out is None:
        return
    _run(settings, bundle, out, begin, end, "publish" if publish else mode, every, name, keep_index, audit)


def _run(
    settings: Settings, bundle: str, out: Path, begin: str, end: str, mode: Literal["pairs", "events", "publish"],
    every: bool, name: str | None, keep_index: bool, audit: str | None,
) -> None:  # fmt: skip
    from worker.replay.deploying import in_force
    from worker.replay.errors import ReplayError
    from worker.stream.replay import Replay, Request

    console = Console(stderr=True)
    judge = _student(settings, bundle)
    request = Request(
        out=out, bundle=bundle, begin=begin, end=end, mode=mode, every=every, name=name, keep_index=keep_index,
        sources=_sources(settings, audit),
    )  # fmt: skip
    try:
        with Shown(console) as shown:
            stamped: dict[str, Any] = {}
            if mode == "publish":
                force = in_force(settings.kafka, judge.manifest.ref())
                stamped = {"deployment": force.deployment, "canary": force.canary, "owns": force.owns}
            ended = Replay(settings, request, judge, shown, _log(settings), **stamped).run()
    except KeyboardInterrupt:
        raise CommandError(f"stopped; the same command goes on where it was ({out})") from None
    except ReplayError as error:
        raise CommandError(str(error)) from error
    except _outages() as error:
        raise CommandError(f"{error}; once that is mended the same command goes on where it was ({out})") from error
    summary = ended.summary
    if ended.before:
        console.print(f"{out} had ended before; nothing was done")
    console.print(f"{summary['decisions']} decisions in {out} ({ended.run.name})", highlight=False)
    for title in ("verdicts", "flips", "outcomes"):
        if summary[title]:
            told = ", ".join(f"{key} {value:,}" for key, value in summary[title].items())
            console.print(f"{title.replace('_', ' ')}: {told}", highlight=False)
    if summary.get("contents_missing"):
        console.print(f"contents not found any more: {summary['contents_missing']:,}", highlight=False)


def _verify(settings: Settings, path: Path, bundle: str | None) -> None:
    from worker.replay.errors import ReplayError
    from worker.replay.folder import Folder
    from worker.replay.store import FILE, Inputs
    from worker.replay.verification import MOST, check_decisions, check_files, check_inputs, published_again
    from worker.stream.replay import Replay, Request

    console = Console(stderr=True)
    folder, told = Folder(path), Counter[str]()
    findings: list[str] = []
    try:
        run = folder.run()
        folder.manifest()
        judge = _student(settings, bundle or run.bundle_path)
        found, asked = judge.manifest.ref(), run.asked
        if found.digest != asked.bundle.digest:
            raise CommandError(
                f"{bundle or run.bundle_path} is {found.name} {found.version} ({found.digest[:12]}) now; the run's was "
                f"{asked.bundle.name} {asked.bundle.version} ({asked.bundle.digest[:12]}): name it with --bundle"
            )
        settings = _as_then(settings, run.asked)
        request = Request(out=path, bundle=run.bundle_path, mode=asked.mode, every=asked.every, share=1.0)
        with Inputs(path / FILE) as inputs, Shown(console) as shown:
            findings += [*check_files(folder), *check_inputs(folder, inputs)]
            replay = Replay(settings, request, judge, shown, _log(settings), deployment=asked.deployment)
            judged = (
                published_again(folder, inputs, replay.again(run))
                if asked.mode == "publish"
                else replay.judged_again(inputs, run)
            )
            findings += islice(check_decisions(folder, judged, told), MOST)
    except ReplayError as error:
        raise CommandError(str(error)) from error
    except _outages() as error:
        raise CommandError(str(error)) from error
    for line in findings:
        typer.echo(line)
    if findings:
        raise CommandError(f"{path} is not what its input and {found.name} {found.version} say")
    console.print(f"{told['compared']:,} decisions come out the same again", highlight=False)


def _as_then(settings: Settings, asked: Any) -> Settings:
    """The settings in force, with those of the run where they matter."""
    update: dict[str, Any] = {
        "policy": asked.policy,
        "replay": settings.replay.model_copy(update={"chunk_pairs": asked.chunk}),
        "stream": settings.stream.model_copy(update={"pair_order": asked.pair_order}),
    }
    if asked.blocking is not None:
        blocking = dict(asked.blocking)
        update["stream"] = update["stream"].model_copy(update={"batch_size": blocking.pop("batch")})
        update["blocking"] = type(settings.blocking).model_validate(blocking)
    return settings.model_copy(update=update)


def _student(settings: Settings, bundle: str) -> Judge:
    import os

    from worker.registry.failures import RegistryError
    from worker.registry.resolve import resolve_bundle
    from worker.stream.errors import StreamError
    from worker.student.student import Student

    try:
        return Student.load(resolve_bundle(bundle, settings), settings.student.threads or os.cpu_count() or 1)
    except (BundleError, RegistryError, StreamError) as error:
        raise CommandError(str(error)) from error


def _sources(settings: Settings, audit: str | None) -> Sequence[OfferSource]:
    """The audit store, where one is named or configured; else the topics alone are asked."""
    section = getattr(settings, "audit", None)
    root = audit or (getattr(section, "root", None) if section is not None else None)
    if root is None or (audit is None and "://" not in str(root) and not Path(root).is_dir()):
        return ()
    from worker.audit.contents import Contents

    return (Contents(str(root)),)


def _outages() -> tuple[type[Exception], ...]:
    import redis
    from confluent_kafka import KafkaException

    from worker.blocking import BlockingError
    from worker.registry.failures import RegistryError
    from worker.stream.errors import StreamError

    return (redis.RedisError, KafkaException, BlockingError, RegistryError, StreamError)


def _log(settings: Settings) -> Any:
    from worker.stream import logs

    return logs.configure(settings.log)


def _check_point(text: str) -> None:
    from worker.replay.errors import WrongRequest
    from worker.replay.span import parse_point

    try:
        parse_point(text, datetime.now(UTC))
    except WrongRequest as error:
        raise typer.BadParameter(str(error), param_hint="--from, --to") from error


def _refuse(wrong: bool, text: str) -> None:
    if wrong:
        raise typer.BadParameter(text)


class Shown:
    """Progress with an estimate of the time that is left, on a terminal; nothing elsewhere."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left:"), TimeRemainingColumn(), console=console, transient=True,
            disable=not console.is_terminal,
        )  # fmt: skip
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, text: str, total: int | None) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(text, total=total)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)
