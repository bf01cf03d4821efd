"""`samesku suite` as a user calls it, with the tiny student."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from samesku.cli import main


def suite(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["suite", *arguments])
    return int(end.value.code or 0)


@pytest.fixture(autouse=True)
def _data(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMESKU_DATA", str(data_dir))


def test_one_json_object_on_standard_output(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert suite("all", "--bundle", str(tiny_bundle), "--cases", "3", "--threads", "1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {"flips", "noise", "swap", "injection", "all_met", "bundle", "trained_on"} <= set(found)
    assert {kind: entry["made"] for kind, entry in found["flips"]["kinds"].items()} == {
        "brand": 3, "model": 3, "pack": 3, "colour": 1, "capacity": 1, "edition": 1
    }  # fmt: skip


def test_a_table_and_a_check(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tiny student's verdicts are random, so it misses the floor for flips."""
    assert suite("flips", "--bundle", str(tiny_bundle), "--cases", "4", "--threads", "1", "--check") == 1
    table = capsys.readouterr().out
    assert "MISSED" in table
    assert "kinds model" in table


def test_no_data_is_said_in_one_sentence(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMESKU_DATA", str(tmp_path))
    assert suite("swap", "--bundle", str(tiny_bundle)) == 1
    assert "test.jsonl" in capsys.readouterr().err
