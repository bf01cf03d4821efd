from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from train.pairs.pairs import PairFileError, read_pairs
from train.pairs.tables import read_table

ROWS = [
    {"left_title": 'sony, "dsc" w120', "right_title": "Sony DSC-W120\nnew", "label": "1"},
    {"left_title": "câmera", "right_title": "nikon", "label": "0"},
]


def write_json(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = b"\n".join(map(orjson.dumps, rows))
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def write_csv(path: Path, rows: list[dict[str, Any]], separator: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


Writer = Callable[[Path, list[dict[str, Any]]], Path]
FORMATS: list[tuple[str, Writer]] = [
    ("p.jsonl", write_json),
    ("p.jsonl.gz", write_json),
    ("P.NDJSON", write_json),
    ("p.csv", write_csv),
    ("p.csv.gz", write_csv),
    ("p.tsv", lambda path, rows: write_csv(path, rows, "\t")),
    ("p.csv", lambda path, rows: write_csv(path, rows, ";")),
    ("p.parquet", write_parquet),
]


@pytest.mark.parametrize(("name", "write"), FORMATS)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, write: Writer) -> None:
    assert [row for _, row in read_table(write(tmp_path / name, ROWS))] == ROWS


# Words as listings have them; what stands for nothing in a catalogue ("n/a", "-") is not a title.
WORD = st.text(
    st.characters(codec="utf-8", categories=("L", "N")) | st.sampled_from("\"',;|/#&€"), min_size=1, max_size=8
)
TITLE = st.lists(WORD, min_size=2, max_size=6).map(" ".join)
CELL = st.none() | TITLE
FLAT = st.fixed_dictionaries(
    {
        "left_title": TITLE,
        "left_modelno": CELL,
        "left_manufacturer": CELL,
        "right_title": TITLE,
        "right_modelno": CELL,
        "right_manufacturer": CELL,
        "label": st.sampled_from(["1", "0", "match", "no_match", "Same", "different", "TRUE", "false"]),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=st.lists(FLAT, min_size=1, max_size=5))
def test_a_pair_is_the_same_from_every_format_flat_or_nested(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    def side(row: dict[str, Any], name: str) -> dict[str, Any]:
        return {key.removeprefix(f"{name}_"): row[key] for key in row if key.startswith(f"{name}_")}

    nested = [{"left": side(row, "left"), "right": side(row, "right"), "label": row["label"]} for row in rows]
    schema = pyarrow.schema([(name, pyarrow.string()) for name in rows[0]])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), tmp_path / "flat.parquet")
    files = [
        write_json(tmp_path / "nested.jsonl", nested),
        write_json(tmp_path / "flat.jsonl", rows),
        write_csv(tmp_path / "flat.csv", rows),
        tmp_path / "flat.parquet",
    ]
    first, *others = [read_pairs(file, "here") for file in files]
    assert [pair.label for pair in first] == [
        int(row["label"].lower() in ("1", "match", "same", "true")) for row in rows
    ]
    assert [(pair.left.title, pair.left.model_number, pair.right.brand) for pair in first] == [
        (row["left_title"], row["left_modelno"], row["right_manufacturer"]) for row in rows
    ]
    for other in others:
        assert other == first


def test_parquet_with_records_and_numbers(tmp_path: Path) -> None:
    rows = [
        {
            "pair_id": 7,
            "left": {"id": 1, "title": "a b", "price": 12.5},
            "right": {"id": 2, "title": "c d"},
            "label": 1.0,
        },
        {
            "pair_id": 8,
            "left": {"id": 1, "title": "a b", "price": None},
            "right": {"id": 3, "title": "e f"},
            "label": 0.0,
        },
    ]
    one, other = read_pairs(write_parquet(tmp_path / "p.parquet", rows))
    assert (one.pair_id, one.label, one.left.offer_id, one.left.price) == ("7", 1, "1", "12.5")
    assert (other.pair_id, other.label, other.left.price) == ("8", 0, None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.xlsx", b"", r"the name does not say the format \(valid: \.jsonl, .*\.csv, .*\.parquet"),
        ("p", b"", "the name does not say the format"),
        ("p.csv", b"a,b\n1,2\n\n3\n", r"p\.csv:4: 1 cells for 2 columns"),
        ("p.csv", b"a,b\n1,2,3\n", r"p\.csv:2: 3 cells for 2 columns"),
        ("p.csv", b"a,a\n1,2\n", r"p\.csv:1: two columns are called 'a'"),
        ("p.csv", b"a,b\nx,\xff\n", "not UTF-8"),
        ("p.csv", b'a,b\n"x,y\n', r"p\.csv:\d: not CSV"),
        ("p.parquet", b"PAR1 nothing of the kind PAR1", r"p\.parquet: not Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PairFileError, match=message):
        list(read_table(tmp_path / name))


@pytest.mark.parametrize("name", ["none.parquet", "none.csv", "none.jsonl"])
def test_a_file_that_is_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(PairFileError, match=f"{name}: No such file"):
        list(read_table(tmp_path / name))


def test_a_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("left_title,right_title,label\n\na b,c d,1\na b,c d,perhaps\n")
    with pytest.raises(
        PairFileError, match=r"p\.csv: row 4: pair p\.csv-2: label must be 0 or 1, not 'perhaps' \(valid"
    ):
        read_pairs(tmp_path / "p.csv")


def test_a_file_without_rows(tmp_path: Path) -> None:
    for name in ("p.csv", "p.jsonl"):
        (tmp_path / name).write_bytes(b"")
        assert read_pairs(tmp_path / name) == []
