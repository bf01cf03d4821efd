"""`samesku models`: which bundles there are, which of them decides, and changing that without a restart.

Every command that changes something states the deployment it saw, reads back, and says whether it won. Workers follow
by themselves (`worker.registry.switch`).
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from rich.console import Console

from samesku.errors import CommandError
from samesku.models import show as text
from samesku.models.workers import fleet, wait_for
from schemas.bundle import BundleError, load_manifest
from schemas.decision import BundleRef
from schemas.deployment import Deployment, RegisteredBundle
from schemas.events import UnknownMajorVersion
from schemas.settings import Settings, load_settings
from worker.registry import moves
from worker.registry.failures import Overtaken, RegistryError
from worker.registry.locations import as_location, cache_of, is_location, locate, locate_exactly
from worker.registry.registry import Registry
from worker.registry.state import ALIASES, Numbered, RegistryState
from worker.stream.errors import Unavailable

T = TypeVar("T")

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Register bundles, try them, promote them and roll back."
)

# Seconds that --wait waits: loading and testing a bundle take some, and a batch on two slow cores half a minute.
WAIT_S = 180.0

_NAME = "live, candidate, previous, a digest, NAME, NAME@VERSION, or a folder, a recipe or 'default'"
Named = Annotated[str, typer.Argument(help=f"{_NAME[0].upper()}{_NAME[1:]}.")]
Optional = Annotated[str | None, typer.Argument(help=f"Default: the candidate. {_NAME[0].upper()}{_NAME[1:]}.")]
By = Annotated[str | None, typer.Option(help="Who gives the command; default: the user's name.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the history.")]
Seen = Annotated[
    int | None, typer.Option(help="The deployment that you decided on: refuse if another is in force by now.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Until every worker serves it; fails if one refuses.")]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds to wait.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command("list")
def list_bundles(as_json: AsJson = False) -> None:
    """The registered bundles and what stands in force."""
    _, state = _read()
    if as_json:
        _json(text.state_data(state))
        return
    Console().print(text.bundles_table(state))
    typer.echo(text.sentence(state.history[-1]) if state.history else _nothing())


@app.command()
def show(
    bundle: Annotated[str | None, typer.Argument(help=f"{_NAME}; default: what is served, by whom.")] = None,
    as_json: AsJson = False,
) -> None:
    """One bundle with its lineage; without an argument the deployment in force and what each worker serves."""
    settings, state = _read()
    if bundle is not None:
        entry = _tell(lambda: _find(settings, state, bundle))
        if as_json:
            _json(text.bundle_data(state, entry))
        else:
            typer.echo(text.bundle_text(state, entry))
        return
    workers = _tell(lambda: fleet(settings))
    if as_json:
        _json({**text.state_data(state), "workers": text.fleet_data(workers)})
        return
    typer.echo(text.sentence(state.history[-1]) if state.history else _nothing())
    Console().print(text.fleet_table(workers))


@app.command()
def history(as_json: AsJson = False) -> None:
    """Who deployed what, when and why; newest first (with --json one a line, oldest first)."""
    _, state = _read()
    if as_json:
        for each in state.history:
            _json(text.numbered_data(each))
        return
    Console().print(text.history_table(state.history))


@app.command()
def add(
    location: Annotated[str, typer.Argument(help="A folder with a bundle or a recipe, a released recipe, 'default'.")],
    parent: Annotated[
        str | None, typer.Option(help="The bundle whose weights training began with: any name of a registered one.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Register a bundle; its files are hashed first. Adding it again replaces its location and parent."""
    settings, state = _read()
    entry = _tell(lambda: _entry(settings, location, state.find(parent).bundle.digest if parent else None, by))
    _tell(lambda: Registry(settings.kafka).add(entry))
    if as_json:
        _json(entry.model_dump(mode="json"))
    else:
        typer.echo(f"registered {text.named(entry.bundle)} at {entry.location}")


@app.command()
def promote(
    bundle: Optional = None, by: By = None, reason: Reason = "", seen: Seen = None, wait: Wait = False,
    timeout: Timeout = WAIT_S, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make a bundle live for all pairs (default: the candidate); what was live is the previous one then."""
    move = _Move(by, reason, seen, wait, timeout, as_json)
    move.run(lambda state, start, order: moves.promote(state, start, move.bundle(bundle), order))


@app.command()
def rollback(
    by: By = None, reason: Reason = "", seen: Seen = None, wait: Wait = False, timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make the previous bundle live again, for all pairs."""
    _Move(by, reason, seen, wait, timeout, as_json).run(moves.rollback)


@app.command()
def shadow(
    bundle: Optional = None, by: By = None, reason: Reason = "", seen: Seen = None, wait: Wait = False,
    timeout: Timeout = WAIT_S, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Let a bundle judge every pair beside the live one; it decides nothing."""
    move = _Move(by, reason, seen, wait, timeout, as_json)
    move.run(lambda state, start, order: moves.shadow(state, start, move.bundle(bundle), order))


@app.command()
def canary(
    share: Annotated[str, typer.Option(help="Share of the pairs: 0.1 or 10%.")],
    bundle: Optional = None, by: By = None, reason: Reason = "", seen: Seen = None, wait: Wait = False,
    timeout: Timeout = WAIT_S, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Let a bundle decide a share of the pairs, chosen by a hash of the pair id; each pair has one owner."""
    part = parse_share(share)
    move = _Move(by, reason, seen, wait, timeout, as_json)
    move.run(lambda state, start, order: moves.canary(state, start, move.bundle(bundle), part, order))


@app.command()
def stop(
    by: By = None, reason: Reason = "", seen: Seen = None, wait: Wait = False, timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """End a shadow or a canary: the live bundle decides all pairs."""
    _Move(by, reason, seen, wait, timeout, as_json).run(moves.stop)


@app.command()
def selftest(bundle: Named = "live", as_json: AsJson = False) -> None:
    """Load a bundle on this machine and judge the golden pairs, as a worker does before it serves."""
    from worker.registry.selftest import self_test
    from worker.student.student import Student

    settings = load_settings()

    def run() -> dict[str, Any]:
        began = time.perf_counter()
        if is_location(bundle):
            folder = locate(as_location(bundle), cache_of(settings))
        else:
            entry = _state(settings).find(bundle)
            folder = locate_exactly(entry.location, entry.bundle.digest, cache_of(settings))
        judge = Student.load(folder, settings.student.threads)
        loaded = time.perf_counter()
        judged = self_test(judge)
        return {
            "bundle": judge.manifest.ref().model_dump(mode="json"), "folder": str(folder), "judgements": judged,
            "load_s": round(loaded - began, 2), "test_s": round(time.perf_counter() - loaded, 2),
        }  # fmt: skip

    done = _tell(run)
    if as_json:
        _json(done)
    else:
        ref = BundleRef.model_validate(done["bundle"])
        typer.echo(
            f"{text.named(ref)} is sound: loaded in {done['load_s']} s, {done['judgements']} judgements in"
            f" {done['test_s']} s"
        )


class _Move:
    """One command that changes what is deployed."""

    def __init__(
        self, by: str | None, reason: str, seen: int | None, wait: bool, timeout: float, as_json: bool
    ) -> None:  # fmt: skip
        self.settings, self.state = _read()
        self._by, self._reason, self._seen = by or _user(), reason, seen
        self._wait, self._timeout, self._as_json = wait, timeout, as_json
        self._new: dict[str, RegisteredBundle] = {}
        self._start: BundleRef | None = None

    def bundle(self, name: str | None) -> BundleRef | None:
        """The bundle that was named, registered with the command if it is not yet; None if none was."""
        if name is None:
            return None
        if not is_location(name):
            return self.state.find(name).bundle
        entry = _entry(self.settings, name, None, self._by)
        if entry.bundle.digest not in self.state.bundles:
            self._new[entry.bundle.digest] = entry
        return entry.bundle

    def run(self, move: Callable[[RegistryState, BundleRef, moves.Order], Deployment]) -> None:
        """Write the deployment, read back, tell, and wait if asked to."""
        registry, before = Registry(self.settings.kafka), self.state.deployment
        done = _tell(lambda: self._deploy(registry, move))
        console = Console(stderr=True)
        if self._as_json:
            _json(text.numbered_data(done))
        else:
            typer.echo(text.sentence(done))
        for line in again(moves.gainers(before, self._start or done.deployment.live, done.deployment), done.deployment):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
        if not self._wait:
            return
        workers = wait_for(
            done.number, lambda: fleet(self.settings), self._timeout,
            lambda line: console.print(line, highlight=False),
        )  # fmt: skip
        served = ", ".join(f"slot {slot}" for slot in workers.slots)
        console.print(
            f"every worker serves deployment {done.number}: {served}" if served
            else f"no worker runs in group {self.settings.kafka.group_id}; those that start will serve it",
            highlight=False,
        )  # fmt: skip

    def _deploy(
        self, registry: Registry, move: Callable[[RegistryState, BundleRef, moves.Order], Deployment]
    ) -> Numbered:
        if self._seen is not None and self._seen != self.state.number:
            raise Overtaken(
                f"deployment {self.state.number} is in force, and you decided on {self._seen}: look at `samesku models"
                " history` and decide again"
            )
        self._start = self.state.deployment.live if self.state.deployment is not None else self._settled()
        deployment = move(self.state, self._start, moves.Order(self._by, self._reason, datetime.now(UTC)))
        for entry in self._new.values():
            registry.add(entry)
        return registry.deploy(deployment)

    def _settled(self) -> BundleRef:
        """What workers serve before the first deployment: the bundle of the settings, registered with it."""
        found = self.bundle(self.settings.student.bundle)
        if found is None or not is_location(self.settings.student.bundle):
            raise RegistryError(f"student.bundle is {self.settings.student.bundle!r}, where no bundle is")
        return found


def again(gained: list[str], after: Deployment) -> list[str]:
    """What to do about decisions that stand from a bundle which no longer decides those pairs."""
    commands = [
        f"  samesku replay --publish --bundle {alias} --from start --out replay-{after.deployment_id[:8]}-{alias}"
        for alias in gained
    ]
    head = "Pairs that have another owner now are judged again when one of their offers changes. All of them at once:"
    return [head, *commands] if commands else []


def parse_share(value: str) -> float:
    """`0.1` or `10%` as a fraction. Raises typer.BadParameter."""
    try:
        share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise typer.BadParameter(f"{value!r} is no share: above 0 and at most 1, or 0% to 100%", param_hint="--share")
    return share


def _entry(settings: Settings, given: str, parent: str | None, by: str | None) -> RegisteredBundle:
    """The entry of a bundle at a location, its files hashed. Raises BundleError."""
    from worker.student.bundle import open_bundle, verify_files

    location = as_location(given)
    folder = locate(location, cache_of(settings))
    manifest = open_bundle(folder)
    verify_files(folder, manifest)
    return RegisteredBundle.of(manifest, location, parent, by or _user(), datetime.now(UTC))


def _find(settings: Settings, state: RegistryState, name: str) -> RegisteredBundle:
    """A registered bundle, also by where it lies. Raises BundleError."""
    if name in ALIASES or not is_location(name):
        return state.find(name)
    return state.find(load_manifest(locate(as_location(name), cache_of(settings))).digest())


def _read() -> tuple[Settings, RegistryState]:
    settings = load_settings()
    return settings, _tell(lambda: _state(settings))


def _state(settings: Settings) -> RegistryState:
    settings.need_kafka()
    return Registry.read(settings.kafka)


def _tell(step: Callable[[], T]) -> T:
    """Do it; what can go wrong is told in one paragraph."""
    try:
        return step()
    except (BundleError, RegistryError, Unavailable, UnknownMajorVersion) as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    raise CommandError(str(error)) from error


def _nothing() -> str:
    return "nothing was deployed yet: every worker serves the bundle of its settings (student.bundle)"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a name for its user
        return "unknown"


def _json(data: Any) -> None:
    typer.echo(orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode())
