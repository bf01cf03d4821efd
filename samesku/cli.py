"""The command line. Sub-commands are mounted lazily: a module of `samesku.commands` is imported when it is called.

So `samesku --help` is quick, and `samesku worker` never imports what only training needs. Each module there has an
`app`, a `typer.Typer` with one command or several.

Exit codes: 0 done, 1 failed or a check found something, 2 wrong usage or configuration.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from samesku import __version__
from samesku.errors import CommandError

CONFIG_EXIT = 2
"""Wrong configuration is wrong usage, and typer ends with 2 on that."""

OUR_PACKAGES = frozenset({"schemas", "worker", "export", "train", "samesku"})


@dataclass(frozen=True)
class Mount:
    """A sub-command: its name is its module's; `extra` is the part of the installation that it needs."""

    name: str
    help: str
    extra: str = "worker"


MOUNTS = (
    Mount("demo", "Stream a small catalogue through the whole system and show the decisions as they come."),
    Mount("worker", "Serve: judge every change of catalog.changes until told to stop."),
    Mount("load", "Put a catalogue (JSONL or CSV) into catalog.changes, giving way to live changes."),
    Mount("matches", "Show an offer's standing decisions, or export all of them as a snapshot."),
    Mount("dlq", "Dead letters: list them, show one, send them again as they came or repaired."),
    Mount("index", "The index in Redis, held against the topics that it is made from."),
    Mount("replay", "Judge what was decided again with another bundle, beside the live workers."),
    Mount("compare", "Compare two replays: flips, rates, labels, latency, and a verdict.", extra="compare"),
    Mount("models", "Register bundles; try, promote and roll back what the workers serve, without a restart."),
    Mount("why", "Why two offers were matched, rejected, or never compared.", extra="audit"),
    Mount(
        "audit", "Keep every decision with all that made it: sink, queries, export, retention, erasure.", extra="audit"
    ),
    Mount("review", "The page on which people label doubtful pairs: serve, users, import, export.", extra="review"),
    Mount("labeling", "Draw decisions for labelling; precision and recall from the answers.", extra="compare"),
    Mount("monitor", "Watch the stream of decisions for drift, without labels.", extra="monitor"),
    Mount("topics", "Make the topics, or check that they are as they must be."),
    Mount("config", "Show every setting in force and where its value came from."),
    Mount("bundle", "Build the committed student into a bundle that serves."),
    Mount("incident", "What pairs reported wrong share, what else is like them, and the remedy.", extra="audit"),
    Mount("evaluate", "Measure a bundle on labelled pairs.", extra="train"),
    Mount("suite", "Change held-out listings in known ways and measure what happens to the verdicts.", extra="train"),
    Mount("report", "Write the report card of a bundle.", extra="train"),
    Mount("train", "Train a student.", extra="train"),
    Mount("retrain", "Retrain on what people decided, and refuse what is not better.", extra="train"),
    Mount("teacher", "Rationales from a large model, and its audit of the student.", extra="teacher"),
    Mount("judge", "Judges of rationales: train, measure, admit or refuse, watch in production.", extra="train"),
    Mount("verify", "People's checks of a teacher: what to look at, what they say, and the gate.", extra="train"),
    Mount("tco", "What a million decisions and a month cost, against a large model's API.", extra="compare"),
    Mount("export", "Turn an adapter into a verified bundle and its recipe.", extra="export"),
)


class LazyCommand(TyperCommand):
    """Stands for a sub-command until it is called; help of the whole needs no more than its name and one line."""

    def __init__(self, mount: Mount) -> None:
        super().__init__(mount.name, help=mount.help, short_help=mount.help)
        self.mount = mount
        self.called = False

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the module and hand over to its command, which the context then names as the one to invoke."""
        self.called = True
        module = importlib.import_module(f"samesku.commands.{self.mount.name}")
        command = typer.main.get_command(module.app)
        command.name = self.mount.name
        return command.make_context(info_name, args, parent=parent, **extra)


def root(
    config: Annotated[
        Path | None, typer.Option(help="Settings file (TOML); else $SAMESKU_CONFIG, else ./samesku.toml.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """SameSKU decides, while a catalogue changes, which offers are the same product, and says why."""
    if version:
        typer.echo(f"samesku {__version__}")
        raise typer.Exit
    if config is not None:
        # Through the environment, so that every sub-command and every process that it starts agrees.
        os.environ["SAMESKU_CONFIG"] = str(config)


def build() -> TyperGroup:
    """The whole command line with nothing imported yet."""
    app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")
    app.callback(invoke_without_command=True)(root)
    group = typer.main.get_group(app)
    for mount in MOUNTS:
        group.add_command(LazyCommand(mount))
    return group


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry of the console script. Ends the process with the exit code."""
    group = build()
    try:
        group.main(args=None if arguments is None else list(arguments), prog_name="samesku")
    except CommandError as error:
        fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        mount = next(each.mount for each in group.commands.values() if isinstance(each, LazyCommand) and each.called)
        if error.name is None or error.name.partition(".")[0] in OUR_PACKAGES:
            raise
        fail(
            f"`samesku {mount.name}` needs the package {error.name!r}: install samesku[{mount.extra}]"
            " (in a checkout: make install)",
            CommandError.exit_code,
        )
    except Exception as error:  # only ConfigError is handled; its module is not imported here, `--help` needs none
        settings = sys.modules.get("schemas.settings")
        if settings is None or not isinstance(error, settings.ConfigError):
            raise
        fail(str(error), CONFIG_EXIT)


def fail(text: str, code: int) -> None:
    """Say it on standard error and end with this code."""
    typer.echo(f"samesku: {text}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
