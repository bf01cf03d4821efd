"""`samesku teacher` as a user calls it, where no endpoint is needed."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from samesku.cli import main
from train.rationales.door import read_records


def teacher(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["teacher", *arguments])
    return int(end.value.code or 0)


def row(similarity: float) -> dict[str, object]:
    said = {"attribute": "color", "left": "black", "right": "silver", "similarity": similarity, "importance": 1}
    return {
        "style": "structured_attr_importance_similarity", "teacher": "gpt-4o", "label": 1, "attributes": [said],
        "left": {"id": "1", "title": "Canon black"}, "right": {"id": "2", "title": "Canon silver"},
    }  # fmt: skip


def test_import_keeps_and_sets_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"\n".join(map(orjson.dumps, [row(1.0), row(0.0)])))
    assert teacher("import", str(source), "--out", str(out)) == 0
    assert [record.verdicts for record in read_records(out)] == [{"variant": "same"}]
    [aside] = [orjson.loads(line) for line in (tmp_path / "out.jsonl.aside.jsonl").read_bytes().splitlines()]
    assert aside["reason"] == "contradicts the label"
    assert "2 structured rationales read: 1 kept, 1 set aside" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("run", "PAIRS", "--out", "o", "--base-url", "nowhere"), 2, "base_url = 'nowhere'"),
        (("run", "PAIRS", "--out", "o", "--budget", "1"), 2, "budget = 1.0 needs the price of 'default'"),
        (("run", "missing.jsonl", "--out", "o"), 1, "missing.jsonl: No such file"),
        (("import", "PAIRS", "--out", "OUT"), 1, "no rationale of use"),
        (("audit", "--out", "o"), 2, "give both --decisions and --offers"),
        (("audit", "--out", "o", "--decisions", "PAIRS", "--offers", "PAIRS"), 1, "a line is no decision"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, told: str
) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_bytes(orjson.dumps({"left": {"title": "a"}, "right": {"title": "b"}}))
    named = {"PAIRS": str(pairs), "OUT": str(tmp_path / "out")}
    assert teacher(*(named.get(argument, argument) for argument in arguments)) == code
    assert told in capsys.readouterr().err
