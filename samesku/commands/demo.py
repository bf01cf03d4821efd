"""`samesku demo`: a small catalogue through the real parts, and what came of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from samesku.demo.run import DemoFailed, Stage
from samesku.demo.script import Script, demo_catalog, own_catalog
from samesku.demo.serving import (
    WorkerEnded,
    await_worker,
    check_alive,
    running_worker,
    terminated_like_interrupted,
    worker_environment,
)
from samesku.demo.tidy import remove_traces
from samesku.embedded import EmbeddedError, Services, embedded_services
from samesku.errors import CommandError
from samesku.load.rows import UnknownFormat
from samesku.load.send import NotDelivered
from samesku.progress import BytesProgress
from samesku.topics import TopicAdmin
from schemas.bundle import BundleError, load_manifest
from schemas.settings import Settings, load_settings
from worker.student.locate import find_bundle

app = typer.Typer(add_completion=False)

# Fewer candidates and smaller batches than in production: decisions are to be watched as they come, on two cores.
CANDIDATES = 3
BATCH = 8
INTERRUPTED = 130


@app.command(name="demo")
def command(
    catalog: Annotated[
        Path | None, typer.Option(help="A catalogue of your own (JSONL or CSV, .gz too), not ours.", dir_okay=False)
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave broker and Redis up and say how to connect.")] = False,
    bundle: Annotated[str | None, typer.Option(help="Folder of a bundle, or 'default'. [student.bundle]")] = None,
    candidates: Annotated[int, typer.Option("--k", min=1, help="Candidates per change.")] = CANDIDATES,
) -> None:
    """Stream a small catalogue through the whole system and show the decisions as they come.

    Apache Kafka and Redis are started on loopback ports and taken down at the end, unless they are configured
    (SAMESKU_KAFKA__BOOTSTRAP_SERVERS, SAMESKU_REDIS__URL): then those are used, under names of the demo's own, which
    are removed at the end. Exit code 0 when every change was answered.
    """
    console = Console(highlight=False)
    settings = _settings(bundle, candidates)
    script = _script(catalog)
    try:
        with terminated_like_interrupted():
            _run(settings, script, keep, console)
    except (BundleError, EmbeddedError, DemoFailed, WorkerEnded, NotDelivered) as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt as interrupt:
        console.print("\ninterrupted; everything that was started has been ended")
        raise typer.Exit(INTERRUPTED) from interrupt


def _settings(bundle: str | None, candidates: int) -> Settings:
    """The user's settings, with names of our own where the broker or the Redis is not."""
    settings = load_settings(overrides={"student.bundle": bundle})
    kafka, redis = settings.kafka, settings.redis
    # Twelve events of our script are to be dead letters or doubtful; the limit is for production.
    stream = settings.stream.model_copy(update={"batch_size": BATCH, "max_wait_ms": 100, "dead_letter_max_share": 1.0})
    if kafka.bootstrap_servers or redis.url:
        name = f"samesku-demo-{secrets.token_hex(4)}"
        kafka = kafka.model_copy(
            update={"topic_prefix": f"{kafka.topic_prefix}{name}.", "group_id": name, "transactional_id_prefix": name}
        )
        redis = redis.model_copy(update={"namespace": name})
    blocking = settings.blocking.model_copy(update={"k": candidates})
    return settings.model_copy(update={"kafka": kafka, "redis": redis, "stream": stream, "blocking": blocking})


def _script(catalog: Path | None) -> Script:
    try:
        return demo_catalog() if catalog is None else own_catalog(catalog)
    except UnknownFormat as error:
        raise typer.BadParameter(str(error), param_hint="--catalog") from error
    except (OSError, EOFError) as error:
        raise CommandError(f"{catalog}: {error}") from error


def _run(settings: Settings, script: Script, keep: bool, console: Console) -> None:
    for reject in script.rejects:
        console.print(f"line {reject.line} cannot be used: {reject.reason}: {reject.detail}", markup=False)
    folder = _bundle(settings, console)
    console.print("starting Apache Kafka and Redis …")
    with embedded_services(settings) as services:
        console.print(f"Kafka {services.bootstrap_servers}, Redis {_where(services)}")
        TopicAdmin(services.settings.kafka.client_config()).apply(services.settings.kafka.topic_specs())
        with _removed(services, keep), running_worker(worker_environment(services.settings, str(folder))) as worker:
            console.print("the worker starts …")
            await_worker(worker, services.settings.kafka)
            console.print("the worker is ready; its decisions follow as they are committed")
            Stage(services.settings.kafka, script, console, lambda: check_alive(worker)).play()
        if keep:
            _tell_how_to_connect(services, folder, console)


def _bundle(settings: Settings, console: Console) -> Path:
    cache = Path(settings.student.cache_dir) if settings.student.cache_dir else None
    console.print("the student: looking for its bundle, building it if it is missing …")
    with BytesProgress(console, "building the bundle") as progress:
        folder = find_bundle(settings.student.bundle, progress, cache)
    manifest = load_manifest(folder)
    console.print(f"the student: {manifest.name} {manifest.version}, digest {manifest.digest()[:16]}")
    return folder


@contextmanager
def _removed(services: Services, keep: bool) -> Iterator[None]:
    """Take the demo's topics and keys away from a broker and a Redis that are not ours."""
    try:
        yield
    finally:
        if not keep:
            remove_traces(services)


def _where(services: Services) -> str:
    """The Redis without its password."""
    return services.redis_url.rpartition("@")[2] if "@" in services.redis_url else services.redis_url


def _tell_how_to_connect(services: Services, folder: Path, console: Console) -> None:
    kafka, redis = services.settings.kafka, services.settings.redis
    pids = services.detach()
    console.print("\nBroker and Redis stay up. To go on with them:")
    for name, value in {
        "SAMESKU_KAFKA__BOOTSTRAP_SERVERS": services.bootstrap_servers,
        "SAMESKU_KAFKA__TOPIC_PREFIX": kafka.topic_prefix,
        "SAMESKU_KAFKA__GROUP_ID": kafka.group_id,
        "SAMESKU_REDIS__URL": _where(services),
        "SAMESKU_REDIS__NAMESPACE": redis.namespace,
        "SAMESKU_STUDENT__BUNDLE": str(folder),
    }.items():
        if value:
            console.print(f"  export {name}={value}", soft_wrap=True)
    console.print("  samesku worker                      # serve again")
    console.print("  samesku matches northshop:NS1000    # the decisions that stand")
    if pids:
        console.print(f"  kill {' '.join(map(str, pids))}      # ends what was started here")
