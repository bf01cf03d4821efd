from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from train.calibration.scores import ScoresError, calibration_pairs, read_scores
from train.pairs.pairs import read_pairs


def write(path: Path, *rows: dict[str, Any]) -> Path:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def row(identity: str, logit: Any = 1.5, label: Any = 1, **more: Any) -> dict[str, Any]:
    return {"pair_id": identity, "logit": logit, "label": label, "probability": 0.5, **more}


def test_both_forms_are_read(tmp_path: Path) -> None:
    plain = write(tmp_path / "abt.jsonl", row("a", -2.0, 0), row("b"))
    packed = write(
        tmp_path / "all.jsonl.gz",
        row("c", origin="x", split="valid"),
        row("d", origin="y", split="valid"),
        row("e", origin="x", split="test"),
    )
    found = read_scores([plain, packed])
    assert found.left_out == {}
    assert set(found.sets) == {"abt", "x", "y"}
    logits, labels = found.sets["abt"]
    assert logits.tolist() == [-2.0, 1.5]
    assert labels.tolist() == [False, True]
    assert len(found.sets["x"][0]) == 1


def test_test_pairs_are_left_out_or_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "v.jsonl", row("a"), row("b"), row("t"))
    found = read_scores([path], {"t"})
    assert found.left_out == {"v": 1}
    assert len(found.sets["v"][0]) == 2
    with pytest.raises(ScoresError, match="v: 2 rows are of test pairs"):
        read_scores([path], {"a", "t"})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"logit": 1, "label": 1}], r"v\.jsonl:1: no pair_id"),
        ([row("a"), row("b", None)], r"v\.jsonl:2: logit must be a finite number, not None"),
        ([row("a", "1.5")], "finite number"),
        ([row("a", label=2)], "label must be 0 or 1, not 2"),
        ([row("a", 1.0), row("a", 2.0)], "pair a of v has two scores"),
        ([row("a", split="test")], "no validation scores in"),
    ],
)
def test_what_cannot_be_calibrated_on(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ScoresError, match=message):
        read_scores([write(tmp_path / "v.jsonl", *rows)])


def test_no_test_pair_is_among_the_pairs_of_calibration(data_dir: Path) -> None:
    """WDC's validation sets share two pair ids each with their tests."""
    allowed, forbidden = calibration_pairs(data_dir)
    assert set(allowed) == {"abt-buy", "amazon-google", "wdc-computers", "wdc-cameras"}
    for name, part in (("wdc-computers", "computers"), ("wdc-cameras", "cameras")):
        everything = read_pairs(data_dir / f"wdc-lspc-{part}" / "valid_medium.jsonl")
        assert len(everything) - 50 < len(allowed[name]) <= len(everything) - 2
        tests = read_pairs(data_dir / f"wdc-lspc-{part}" / "test.jsonl")
        assert not {pair.title_key() for pair in tests} & {pair.title_key() for pair in allowed[name]}
        assert {pair.pair_id for pair in tests} <= forbidden
        assert not forbidden & {pair.pair_id for pair in allowed[name]}
