"""`samesku verify` as a user calls it, from a teacher's set to the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from samesku.cli import main


def verify(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main(["verify", *map(str, arguments)])
    return int(end.value.code or 0)


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def rationales(tmp_path: Path) -> Path:
    return lines(
        tmp_path / "set.jsonl",
        [
            {"pair_id": f"p{n}", "answer": "same" if n % 2 else "different", "verdicts": {"brand": "same"}}
            for n in range(300)
        ],
    )


@pytest.fixture
def checks(rationales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A hundred tasks, labelled by two people who find every fiftieth answer wrong and agree."""
    tasks = tmp_path / "tasks.jsonl"
    assert verify("plan", rationales, "--budget", "100", "--out", tasks, "--name", "mine") == 0
    planned = rows_of(tasks)
    right, other = {"same": "match", "different": "no_match"}, {"same": "no_match", "different": "match"}
    labels = [
        {
            "label_id": f"{task['pair_id']}{who}", "pair_id": task["pair_id"],
            "first_digest": "a", "second_digest": "b",
            "verdict": (other if number % 50 == 0 else right)[task["answer"]], "attributes": {"brand": "same"},
            "reviewer": who, "labeled_at": "2026-01-01T00:00:00.000000Z",
        }
        for number, task in enumerate(planned)
        for who in ("ann", "bob")
    ]  # fmt: skip
    path = tmp_path / "checks.jsonl"
    capsys.readouterr()
    assert verify("collect", tasks, lines(tmp_path / "labels.jsonl", labels), "--out", path) == 0
    assert "100 of 100 tasks have a label; 0 labels" in capsys.readouterr().out
    return path


def test_the_plan_uses_what_other_files_say(
    rationales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = lines(
        tmp_path / "scores.jsonl", [{"pair_id": f"p{n}", "label": 0, "probability": n / 300} for n in range(300)]
    )
    pairs = lines(
        tmp_path / "pairs.jsonl",
        [{"pair_id": f"p{n}", "left": {"title": "a", "price": n}, "right": {"title": "b"}} for n in range(300)],
    )
    out = tmp_path / "tasks.jsonl"
    assert verify("plan", rationales, "--budget", "60", "--out", out, "--pairs", pairs, "--scores", scores) == 0
    shown = capsys.readouterr().out
    assert "60 of 300 claims to check" in shown
    assert "one-sided, 95%" in shown
    tasks = rows_of(out)
    assert {task["set_name"] for task in tasks} == {"set.jsonl"}
    assert any("ambiguity=high" in task["stratum"] for task in tasks)
    assert all(task["left"]["title"] == "a" for task in tasks)


def test_estimate_and_agreement(checks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify("estimate", checks, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["set_name"], found["checked"], found["answer"]["errors"]) == ("mine", 100, 2)
    assert found["answer"]["low"] < found["answer"]["rate"] < found["answer"]["upper"]
    assert found["attributes"]["brand"]["rate"] == 0
    assert verify("agreement", checks, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["answer"]["fleiss"]["value"] == pytest.approx(1)
    assert found["answer"]["cohen"][0]["reviewers"] == ["ann", "bob"]
    assert "one category only" in found["brand"]["fleiss"]["note"]
    assert verify("estimate", checks) == 0
    shown = capsys.readouterr().out
    assert "mine (300 claims" in shown
    assert "Horvitz-Thompson 2." in shown
    assert verify("agreement", checks) == 0
    assert "Fleiss" in capsys.readouterr().out


def test_the_gate(checks: Path, rationales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify("gate", checks, "--limit", "0.1", "--trained-on", rationales) == 0
    assert "mine: admitted at a limit of 10.00%" in capsys.readouterr().out
    assert verify("gate", checks, "--limit", "0.01") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "'mine'" in said
    assert "above the limit of 1.00%" in said
    assert verify("gate", checks, "--limit", "2") == 2
    assert verify("gate", tmp_path / "none.jsonl") == 1
    assert "No such file" in capsys.readouterr().err


def test_correct(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = lines(
        tmp_path / "scores.jsonl",
        [{"pair_id": str(n), "label": n % 2, "logit": 0.0, "probability": 0.9 if n % 2 else 0.1} for n in range(20)],
    )
    audit = lines(
        tmp_path / "audit.jsonl",
        [{"pair_id": "1", "human_decision": "non_match", "benchmark_label": 1}],
    )
    options: list[str | Path] = ["--scores", scores, "--threshold", "0.5", "--audit", audit]
    assert verify("correct", *options, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gold"]["f1"] == 1
    assert found["corrected"]["f1"] == pytest.approx(18 / 19)
    assert verify("correct", *options) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "supports no unbiased error rate" in shown
    assert "1 gold matches are none" in shown
