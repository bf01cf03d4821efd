"""`samesku review`: users and files; what the user is told when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from samesku.commands.review import app
from samesku.errors import CommandError
from schemas.settings import ConfigError
from worker.review import accounts
from worker.review.database import Database

PASSWORD = "correct horse battery"
Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAMESKU_KAFKA__BOOTSTRAP_SERVERS", raising=False)
    return lambda *arguments, given="": CliRunner().invoke(app, list(arguments), input=given)


def test_a_user_is_added_with_a_password_from_standard_input_or_a_file(run: Run, tmp_path: Path) -> None:
    assert run("users", "add", "anna", "--role", "lead", given=f"{PASSWORD}\n").exit_code == 0
    (tmp_path / "secret").write_text(f"{PASSWORD} too\nanother line\n")
    assert run("users", "add", "ben", "--password-file", "secret").exit_code == 0
    assert run("users", "change", "ben", "--disable").exit_code == 0
    listed = run("users", "list").output
    assert "anna" in listed
    assert "disabled" in listed
    database = Database(tmp_path / "review.db")
    with database.read() as connection:
        anna, ben = (accounts.stored_password(connection, name) for name in ("anna", "ben"))
    database.close()
    assert accounts.right(anna, PASSWORD)
    assert not accounts.right(anna, f"{PASSWORD} too")
    # Disabled: nobody's password.
    assert ben is None
    assert (tmp_path / "review.db").stat().st_mode & 0o077 == 0
    assert PASSWORD.encode() not in (tmp_path / "review.db").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "given", "told"),
    [
        (("users", "add", "anna"), "short\n", "12 to 1000 characters"),
        (("users", "add", "Anna Smith"), f"{PASSWORD}\n", "1 to 64 of a-z"),
        (("users", "add", "anna", "--role", "boss"), f"{PASSWORD}\n", "valid are reviewer, lead, admin"),
        (("users", "change", "nobody", "--disable"), "", "no user 'nobody'"),
        (("import", "broken.json"), "", "is not JSON"),
        (("import", "other.json"), "", "no list of tasks"),
    ],
)
def test_bad_input_says_what_would_be_valid(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], given: str, told: str
) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text("{}")
    done = run(*arguments, given=given)
    assert isinstance(done.exception, CommandError)
    assert told in str(done.exception)


def test_a_file_that_is_no_database_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "review.db").write_text("something else entirely, and long enough to be looked at as a header" * 20)
    done = run("users", "list")
    assert isinstance(done.exception, CommandError)
    assert "no database of the review page" in str(done.exception)


def test_serving_without_a_broker_is_refused(run: Run) -> None:
    assert isinstance(run("serve").exception, ConfigError)


def test_export_of_nothing_is_an_empty_list_and_a_configuration(run: Run, tmp_path: Path) -> None:
    assert run("export", "--out", "out.json", "--config", "config.xml").exit_code == 0
    assert (tmp_path / "out.json").read_text().strip() == "[]"
    assert "<View>" in (tmp_path / "config.xml").read_text()
