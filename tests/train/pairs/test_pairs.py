from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from train.pairs.pairs import PairFileError, read_pairs, read_rows

ROW: dict[str, Any] = {
    "pair_id": "1-2",
    "left": {"id": "1", "title": "Canon EOS", "brand": "Canon"},
    "right": {"id": "2", "name": "canon eos", "manufacturer": "canon"},
    "label": 1,
}


def write(path: Path, *rows: Any) -> Path:
    lines = b"\n".join(row if isinstance(row, bytes) else orjson.dumps(row) for row in rows)
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz"])
def test_a_file_plain_or_gzipped(tmp_path: Path, name: str) -> None:
    (pair,) = read_pairs(write(tmp_path / name, ROW, b""))
    assert (pair.pair_id, pair.label, pair.origin) == ("1-2", 1, name)
    assert (pair.right.title, pair.right.brand) == ("canon eos", "canon")
    assert pair.id_key() == ("1", "2")
    assert pair.title_key() == ("canon eos", "canon eos")


def test_a_pair_has_the_same_keys_from_both_sides(tmp_path: Path) -> None:
    turned = {**ROW, "left": ROW["right"], "right": ROW["left"]}
    one, other = read_pairs(write(tmp_path / "pairs.jsonl", ROW, turned), "here")
    assert (one.id_key(), one.title_key(), one.origin) == (other.id_key(), other.title_key(), "here")


def test_offers_without_an_id_are_named_by_their_pair(tmp_path: Path) -> None:
    row = {"left": {"title": "a b"}, "right": {"title": "c d"}, "label": 0, "meta": "free text"}
    one, other = read_pairs(write(tmp_path / "p.jsonl", row, row))
    assert one.left.key != one.right.key
    assert one.left.key != other.left.key
    assert one.meta == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"{", r"p\.jsonl:1: not JSON"),
        (b"[]", r"p\.jsonl:1: not a JSON object"),
        ({**ROW, "left": None}, r"p\.jsonl: row 1: no 'left' object \(column 'left': None\)"),
        (
            {**ROW, "right": {"id": "2"}},
            r"pair 1-2: right: column 'title': Field required \(valid columns: title, name, ",
        ),
        ({**ROW, "label": 2}, "label must be 0 or 1, not 2"),
        ({**ROW, "label": None}, r"row 1: pair 1-2: label must be 0 or 1, not None \(valid: 0/1, true/false, "),
        (
            {**ROW, "left": {"id": "1", "title": "x" * 3_000}},
            r"column 'title': .* at most 2000 characters, not 'xxx.*…$",
        ),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(PairFileError, match=message):
        read_pairs(write(tmp_path / "p.jsonl", row))


def test_a_file_that_is_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(PairFileError, match="No such file"):
        read_pairs(tmp_path / "none.jsonl")
    whole = write(tmp_path / "p.jsonl.gz", *[ROW] * 50).read_bytes()
    for damaged in (whole[:-12], b"no gzip", whole[:20] + b"\xff" * 20 + whole[40:]):
        (tmp_path / "p.jsonl.gz").write_bytes(damaged)
        with pytest.raises(PairFileError, match=r"p\.jsonl\.gz"):
            list(read_rows(tmp_path / "p.jsonl.gz"))
