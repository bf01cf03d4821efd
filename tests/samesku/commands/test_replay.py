"""`samesku replay`: what is refused before anything is read, and with which exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from samesku.commands.replay import app
from samesku.errors import CommandError
from schemas.settings import ConfigError


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAMESKU_KAFKA__BOOTSTRAP_SERVERS", "nowhere:1")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "r"], "--bundle is missing"),
        (["--bundle", "b"], "--out is missing"),
        (["--bundle", "b", "--out", "r", "--publish", "--mode", "events"], "works on pairs"),
        (["--bundle", "b", "--out", "r", "--publish", "--all"], "has no place"),
        (["--bundle", "b", "--out", "r", "--mode", "events", "--all"], "--all is for pairs"),
        (["--bundle", "b", "--out", "r", "--publish"], "redis.url is not set"),
        (["--bundle", "b", "--out", "r", "--from", "yesterday"], "is no place in a topic"),
        (["--bundle", "b", "--out", "r", "--name", "a b"], "letters"),
    ],
)
def test_wrong_usage_ends_with_two(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "300", "TERM": "dumb"})
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(("key", "value"), [("--share", "0"), ("--share", "1.5"), ("--rate", "0")])
def test_a_share_that_is_none_names_the_setting(key: str, value: str) -> None:
    result = CliRunner().invoke(app, ["--bundle", "b", "--out", "r", key, value])
    assert isinstance(result.exception, ConfigError)
    assert f"replay.{key[2:]}" in str(result.exception)


def test_what_is_no_folder_of_a_replay_cannot_be_verified(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--verify", str(tmp_path)])
    assert isinstance(result.exception, CommandError)
    assert "no folder of a replay" in str(result.exception)
