"""`samesku report` as a user calls it, with the tiny student and the public sets."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest

from samesku.cli import main


def report(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["report", *arguments])
    return int(end.value.code or 0)


@pytest.mark.timeout(600)
def test_a_trial_on_the_public_sets(
    data_dir: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SAMESKU_DATA", str(data_dir))
    options = ["--bundle", str(tiny_bundle), "--out", str(tmp_path / "out"), "--threads", "1"]
    assert report(*options, "--limit", "12", "--cases", "0", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"]["pairs"] == dict.fromkeys(("abt-buy", "amazon-google", "wdc-computers", "wdc-cameras"), 12)
    assert found["run"]["file_pairs"]["abt-buy/test.jsonl.gz"] == 1916
    assert found["robustness"] is None
    assert found["sets"]["abt-buy"]["boosting"]["n"] == 12
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"report.md", "report.html", "report.json", "f1.svg"}


def test_suites_of_another_bundle_are_refused(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "suites.json"
    other.write_bytes(orjson.dumps({"bundle": {"digest": "f" * 64}}))
    options = ["--bundle", str(tiny_bundle), "--out", str(tmp_path / "out"), "--limit", "2"]
    assert report(*options, "--suites", str(other)) == 1
    assert "f" * 64 in capsys.readouterr().err
    other.write_text("[]")
    assert report(*options, "--suites", str(other)) == 1
    assert "no result of `samesku suite" in capsys.readouterr().err
