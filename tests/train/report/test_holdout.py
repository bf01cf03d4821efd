from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import orjson
import pytest

from train.pairs.pairs import PairFileError
from train.report.holdout import HeldOutRun, grouped, holdout_section, read_runs, transferred


def rows(origin: str, split: str, shift: float = 0.0, count: int = 60) -> list[dict[str, object]]:
    generator = np.random.default_rng([*origin.encode(), *split.encode()])
    return [
        {
            "origin": origin,
            "split": split,
            "pair_id": f"{origin}-{number}",
            "label": number % 2,
            "logit": float((number % 2) * 4 - 2 + generator.normal() + shift),
        }
        for number in range(count)
    ]


def run(*parts: list[dict[str, object]], left_out: tuple[str, ...] = ()) -> HeldOutRun:
    return HeldOutRun("trial", {"left_out": list(left_out)}, grouped([row for part in parts for row in part]))


def test_the_left_out_set_chooses_nothing() -> None:
    parts = [rows("a", "valid"), rows("b", "valid"), rows("c", "test", shift=3.0)]
    found = transferred(run(*parts, left_out=("c",)), "c")
    assert found["threshold_from"] == ["a", "b"]
    assert found["n"] == 60
    # The set's own validation, had it any, would put the threshold elsewhere: it may not.
    own = rows("c", "valid", shift=-20.0)
    assert found.pop("adapted") is None
    beside = transferred(run(*parts, own, left_out=("c",)), "c")
    assert {key: value for key, value in beside.items() if key != "adapted"} == found
    assert found["oracle_f1"] > found["f1"]


def test_the_share_of_matches_is_estimated_without_labels() -> None:
    parts = [rows("a", "valid"), rows("b", "valid"), rows("c", "test")]
    own = rows("c", "valid")[:40] + rows("c", "valid", count=200)[1::2]
    found = transferred(run(*parts, own, left_out=("c",)), "c")["adapted"]
    assert found["share"] > 0.6
    unlabelled = [{**row, "label": 0} for row in own]
    assert transferred(run(*parts, unlabelled, left_out=("c",)), "c")["adapted"] == found


def test_sections() -> None:
    section = holdout_section(
        [
            run(rows("a", "valid"), rows("c", "test"), left_out=("c",)),
            run(rows("a", "valid"), rows("a", "by-product"), rows("b", "by-product")),
            run(rows("a", "valid", count=1), rows("d", "test"), left_out=("d",)),
        ]
    )
    assert set(section["sets"]) == {"c"}
    assert set(section["products"]) == {"a", "b"}
    assert "needs both matches and non-matches" in section["failed"]["trial"]


def test_files(tmp_path: Path) -> None:
    assert read_runs(tmp_path / "none") == []
    (tmp_path / "lone.json").write_text("{}")
    (tmp_path / "without-c.json").write_bytes(orjson.dumps({"left_out": ["c"]}))
    scores = tmp_path / "without-c.jsonl.gz"
    scores.write_bytes(gzip.compress(b"\n".join(map(orjson.dumps, rows("c", "test")))))
    (found,) = read_runs(tmp_path)
    assert (found.name, found.left_out) == ("without-c", ["c"])
    assert len(found.scores["c", "test"][0]) == 60
    scores.write_bytes(gzip.compress(b'{"origin": "c"}\n'))
    with pytest.raises(PairFileError, match="without-c"):
        read_runs(tmp_path)
