"""`samesku review serve|users|export|import`: the page on which people label doubtful pairs."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from samesku.errors import CommandError
from schemas.review_settings import ReviewSettings
from schemas.settings import load_settings

if TYPE_CHECKING:
    from worker.review.database import Database

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The page on which people label doubtful pairs.")
users = typer.Typer(add_completion=False, no_args_is_help=True, help="Who may log in, and as what.")
app.add_typer(users, name="users")

Where = Annotated[str | None, typer.Option("--database", help="SQLite file of the page (review.database).")]
Role = Annotated[str, typer.Option(help="reviewer (labels), lead (also settles conflicts) or admin.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="Read the password from the first line of this file; else from standard input.", dir_okay=False),
]


@contextmanager
def opened(where: str | None) -> Iterator[tuple[Database, ReviewSettings]]:
    """The page's database, its failures told as the user's."""
    settings = load_settings(overrides={"review.database": where}).review
    from worker.review.database import Database
    from worker.review.errors import ReviewError

    try:
        database = Database(settings.database)
        try:
            yield database, settings
        finally:
            database.close()
    except ReviewError as error:
        raise CommandError(str(error)) from error


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port (review.port); 0: any free one.")] = None,
    where: Where = None,
) -> None:
    """Serve the page, read tasks and publish labels until told to stop."""
    settings = load_settings(overrides={"review.port": port, "review.database": where})
    settings.need_kafka()
    from worker.review.running import run_page

    run_page(settings)


@users.command("add")
def add_user(name: str, role: Role = "reviewer", password_file: PasswordFile = None, where: Where = None) -> None:
    """Add a user. The password is read from standard input or a file, never from the command line."""
    with opened(where) as (database, settings):
        from worker.review import accounts

        password = _password(password_file, settings.min_password)
        with database.write() as connection:
            accounts.add(
                connection, datetime.now(UTC), name, role, password, settings.min_password, f"cli:{getpass.getuser()}"
            )
    typer.echo(f"{name} may log in as {role}")


@users.command("list")
def list_users(where: Where = None) -> None:
    """All users."""
    with opened(where) as (database, _):
        from worker.review import accounts

        with database.read() as connection:
            found = accounts.every(connection)
    table = Table()
    for column in ("name", "role", "since", ""):
        table.add_column(column)
    for user in found:
        table.add_row(user.name, user.role, user.created_at[:10], "disabled" if user.disabled else "")
    Console().print(table)


@users.command("change")
def change_user(
    name: str,
    role: Annotated[str | None, typer.Option(help="reviewer, lead or admin.")] = None,
    disable: Annotated[bool | None, typer.Option("--disable/--enable", help="Whether the user may log in.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Read a new password, as `add` does.")] = False,
    password_file: PasswordFile = None,
    where: Where = None,
) -> None:
    """Change a user's role or password, or disable the user. Ends the user's sessions."""
    if role is None and disable is None and not password and password_file is None:
        raise typer.BadParameter("nothing to change: give --role, --password, --password-file, --disable or --enable")
    with opened(where) as (database, settings):
        from worker.review import accounts

        given = _password(password_file, settings.min_password) if password or password_file is not None else None
        with database.write() as connection:
            accounts.change(
                connection, datetime.now(UTC), name, f"cli:{getpass.getuser()}", role=role, password=given,
                disabled=disable, least=settings.min_password,
            )  # fmt: skip
    typer.echo(f"{name} changed; sessions ended")


@app.command("export")
def export_file(
    out: Annotated[Path, typer.Option(help="File to write, as Label Studio's JSON.", dir_okay=False)],
    config: Annotated[
        Path | None, typer.Option(help="Write Label Studio's labelling interface (XML) here, too.", dir_okay=False)
    ] = None,
    where: Where = None,
) -> None:
    """Write all tasks with their votes in Label Studio's format."""
    with opened(where) as (database, _):
        from worker.review import labelstudio

        with database.read() as connection:
            entries = list(labelstudio.export_tasks(connection))
        try:
            out.write_bytes(labelstudio.dumps(entries))
            if config is not None:
                config.write_text(labelstudio.labelling_config(), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error
    votes = sum(len(entry["annotations"]) for entry in entries)
    typer.echo(f"{len(entries)} tasks with {votes} annotations in {out}", err=True)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="Label Studio's JSON export.", exists=True, dir_okay=False)],
    where: Where = None,
) -> None:
    """Take tasks and votes from Label Studio's format. Labels that follow leave when the page is served."""
    try:
        data = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise CommandError(f"{file} is not JSON: {error}") from error
    with opened(where) as (database, _):
        from worker.review import labelstudio

        console = Console(stderr=True)
        total = len(data) if isinstance(data, list) else None
        with (
            Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
            database.write() as connection,
        ):
            step = progress.add_task(f"reading {file}", total=total)
            done = labelstudio.import_tasks(
                connection, datetime.now(UTC), data, f"cli:{getpass.getuser()}", lambda: progress.advance(step)
            )
    for told in done.left_out:
        typer.echo(f"left out: {told}", err=True)
    typer.echo(f"{done.tasks} new tasks, {done.votes} votes, {done.labels} labels to publish")


def _password(file: Path | None, least: int) -> str:
    """From a file's first line, from a person at a terminal (twice), or from the first line of standard input."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file}: {error}") from error
    if sys.stdin.isatty():
        return str(typer.prompt(f"Password (at least {least} characters)", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")
