"""The command line: lazy, and clear about wrong usage, wrong configuration and missing packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from samesku import __version__
from samesku.cli import MOUNTS, main

HEAVY = ("torch", "transformers", "peft", "trl", "optimum", "onnxruntime", "numpy", "redis", "confluent_kafka")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SAMESKU_")}
    return subprocess.run(
        [sys.executable, "-m", "samesku.cli", *arguments],
        capture_output=True,
        text=True,
        env=clean | {"COLUMNS": "120", "TERM": "dumb", "NO_COLOR": "1"} | environment,
        check=False,
    )


def ends_with(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    script = f"""
import sys
from samesku.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert not end.code
print("loaded:", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stdout
    for mount in MOUNTS:
        assert mount.name in done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_with(["--version"]) == 0
    assert capsys.readouterr().out == f"samesku {__version__}\n"


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_with(["topicz"]) == 2
    assert "topics" in capsys.readouterr().err


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "samesku.commands.topics", raising=False)
    monkeypatch.delitem(sys.modules, "samesku.topics", raising=False)
    monkeypatch.setitem(sys.modules, "confluent_kafka.admin", None)
    assert ends_with(["topics", "check"]) == 1
    assert "samesku[worker]" in capsys.readouterr().err


def test_config_shows_values_sources_and_no_secret() -> None:
    done = run("config", "--json", SAMESKU_KAFKA__SLOT="7", SAMESKU_REDIS__URL="redis://user:hunter2@cache:6379/0")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["kafka.slot"]["value"] == "7"
    assert "SAMESKU_KAFKA__SLOT" in shown["kafka.slot"]["source"]
    assert shown["kafka.group_id"]["source"] == "default"
    assert shown["redis.url"]["value"] is not None
    assert "hunter2" not in done.stdout
    table = run("config", "--changed", SAMESKU_KAFKA__SLOT="7")
    assert "kafka.slot" in table.stdout
    assert "kafka.group_id" not in table.stdout


def test_a_settings_file_is_read_and_named_as_the_source(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[kafka]\nslot = "3"\n')
    done = run("--config", str(file), "config", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["kafka.slot"]["value"] == "3"
    assert "mine.toml" in shown["kafka.slot"]["source"]


@pytest.mark.parametrize("command", [["config"], ["topics", "check"], ["worker"]])
def test_wrong_configuration_names_key_value_and_what_is_valid(command: list[str]) -> None:
    done = run(*command, SAMESKU_KAFKA__PARTITIONS="many")
    assert done.returncode == 2
    assert "kafka.partitions" in done.stderr
    assert "many" in done.stderr
    assert "integer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "environment", "words"),
    [
        (["topics", "apply"], {}, "kafka.bootstrap_servers"),
        (["worker"], {}, "kafka.bootstrap_servers"),
        (["worker"], {"SAMESKU_KAFKA__BOOTSTRAP_SERVERS": "broker:9092"}, "redis.url"),
    ],
)
def test_what_is_not_configured_is_named(command: list[str], environment: dict[str, str], words: str) -> None:
    done = run(*command, **environment)
    assert done.returncode == 2
    assert words in done.stderr
    assert "valid" in done.stderr
