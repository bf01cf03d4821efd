"""`samesku evaluate` as a user calls it, with the tiny student."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import orjson
import pytest

from export.verify import frozen_pairs
from samesku.cli import main

KEYS = {
    "pairs", "positives", "threshold", "precision", "recall", "f1", "f1_low", "f1_high", "average_precision", "ece",
    "brier", "parse_rate", "pairs_per_second", "bundle", "trained_on",
}  # fmt: skip


@pytest.fixture
def pair_file(tmp_path: Path) -> Path:
    """Six pairs, whose sides call title and brand by other names."""
    rows = [
        {
            "pair_id": str(number),
            "left": {"id": f"l{number}", "title": item.query.title, "brand": item.query.brand},
            "right": {"id": f"r{number}", "name": item.candidate.title, "manufacturer": item.candidate.brand},
            "label": number % 2,
        }
        for number, item in enumerate(frozen_pairs()[:6])
    ]
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(map(orjson.dumps, rows))))
    return path


def evaluate(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["evaluate", *arguments])
    return int(end.value.code or 0)


def test_one_json_object_on_standard_output(
    pair_file: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "scores.jsonl"
    options = ["--json", "--threads", "1", "--both-orders", "--scores", str(scores)]
    assert evaluate(str(pair_file), "--bundle", str(tiny_bundle), *options) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) >= KEYS
    assert (found["pairs"], found["positives"], found["parse_rate"]) == (6, 3, 1.0)
    assert set(found["bundle"]) == {"name", "version", "digest", "precision"}
    assert set(found["swap"]) == {"flip_rate", "mean_probability_move"}
    lines = [json.loads(line) for line in scores.read_text().splitlines()]
    assert [line["pair_id"] for line in lines] == [str(number) for number in range(6)]


def test_a_table_without_json(pair_file: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(str(pair_file), "--bundle", str(tiny_bundle), "--threads", "1", "--limit", "2") == 0
    shown = capsys.readouterr().out
    assert "average_precision" in shown
    assert "parse_rate" in shown


def test_what_cannot_be_measured_is_said(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    assert evaluate(str(empty), "--bundle", str(tiny_bundle)) == 1
    assert "holds no pair" in capsys.readouterr().err
    assert evaluate(str(tmp_path / "none.jsonl"), "--bundle", str(tiny_bundle)) == 1
    assert "No such file" in capsys.readouterr().err


def test_a_table_of_ones_own(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["title_a,title_b,modelno_b,same"]
    lines += [f'"{item.query.title}","{item.candidate.title}",x1,no' for item in frozen_pairs()[:2]]
    own = tmp_path / "own.csv"
    own.write_text("\n".join([*lines, "sony w1,sony w2,,perhaps"]))
    assert evaluate(str(own), "--bundle", str(tiny_bundle)) == 1
    assert "own.csv: row 4: pair own.csv-3: label must be 0 or 1, not 'perhaps'" in " ".join(
        capsys.readouterr().err.split()
    )
    own.write_text("\n".join(lines))
    assert evaluate(str(own), "--bundle", str(tiny_bundle), "--threads", "1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["pairs"], found["positives"]) == (2, 0)
