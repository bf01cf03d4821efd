"""`samesku train calibrate` from saved scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from export.facts import read_facts
from samesku.cli import main


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two sets of made-up scores, and no public data."""
    monkeypatch.setenv("SAMESKU_DATA", str(tmp_path / "none"))
    generator = np.random.default_rng(1)
    files = []
    for name in ("ours", "theirs"):
        rows = [
            {"pair_id": f"{name}-{number}", "label": int(generator.random() < 1 / (1 + np.exp(-logit))), "logit": logit}
            for number, logit in enumerate(generator.normal(-1, 4, 800).round(4).tolist())
        ]
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return files


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def test_facts_and_pictures(scores: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, plots = tmp_path / "facts.json", tmp_path / "plots"
    given = ("--scores", scores[0], "--scores", scores[1], "--out", out, "--plots", plots)
    assert call("train", "calibrate", *given, "--target-precision", "0.9", "--target-npv", "0.9999") == 0
    said = capsys.readouterr().err
    assert "npv: the target 0.9999 is not met, the best bound is 0.9" in said
    assert "precision: the target" not in said
    facts = read_facts(out)
    assert facts.thresholds is not None
    assert facts.thresholds.review_high is not None
    assert set(facts.given()) == {"calibration", "thresholds", "quality"}
    assert json.loads(out.read_bytes())["calibration_report"]["policy"]["precision"]["met"]
    assert sorted(path.name for path in plots.iterdir()) == ["reliability.svg", "risk_coverage.svg"]


def test_bad_input(scores: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "facts.json"
    assert call("train", "calibrate", "--scores", scores[0], "--out", out, "--target-precision", "1.2") == 2
    assert "target precision must be between 0 and 1" in " ".join(capsys.readouterr().err.split())
    scores[0].write_text('{"pair_id": "a", "label": 1}\n')
    assert call("train", "calibrate", "--scores", scores[0], "--out", out) == 1
    assert "ours.jsonl:1: logit must be a finite number, not None" in capsys.readouterr().err.replace("\n", "")
    assert not out.exists()
