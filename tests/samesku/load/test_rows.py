"""Rows are read with their line numbers, and one bad row never ends a file."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from samesku.load.rows import Row, UnknownFormat, file_format, read_rows


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def summary(rows: list[Row]) -> list[tuple[int, object]]:
    return [(row.line, row.record if row.problem is None else row.problem[0].value) for row in rows]


def test_json_lines_with_every_kind_of_bad_line(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"id": 1}\n\n{"id": \n[1]\n{"id": "\xff"}\n{"id": 2}'
    rows = list(read_rows(written(tmp_path, "a.jsonl", content)))
    assert summary(rows) == [(1, {"id": 1}), (3, "not_json"), (4, "not_an_object"), (5, "not_utf8"), (6, {"id": 2})]
    assert rows[3].text == '{"id": "\\xff"}'


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_csv_finds_its_separator_and_counts_lines(tmp_path: Path, separator: str) -> None:
    lines = ["\ufeffid", "title"], ["1", '"two\nlines"'], ["", ""], ["2", "lamp"], ["3", "x", "y"], ["4"]
    content = "\r\n".join(separator.join(line) for line in lines).encode()
    rows = list(read_rows(written(tmp_path, "a.csv", content)))
    assert summary(rows) == [
        (2, {"id": "1", "title": "two\nlines"}),
        (5, {"id": "2", "title": "lamp"}),
        (6, "bad_value"),
        (7, {"id": "4"}),
    ]


def test_csv_row_that_is_not_utf8_is_one_bad_row(tmp_path: Path) -> None:
    rows = list(read_rows(written(tmp_path, "a.csv", b"id,title\n1,caf\xe9\n2,lamp\n")))
    assert summary(rows) == [(2, "not_utf8"), (3, {"id": "2", "title": "lamp"})]


def test_csv_cell_beyond_the_limit_is_one_bad_row(tmp_path: Path) -> None:
    content = b"id,title\n1," + b"x" * 1_000_001 + b"\n2,lamp\n"
    assert [line for line, said in summary(list(read_rows(written(tmp_path, "a.csv", content)))) if said == "bad_value"]


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", gzip.compress(b'{"id": 1}\n'))
    assert summary(list(read_rows(path))) == [(1, {"id": 1})]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert list(read_rows(written(tmp_path, "a.csv", b""))) == []
    assert list(read_rows(written(tmp_path, "a.jsonl", b""))) == []


@pytest.mark.parametrize(("name", "form"), [("x.CSV", "csv"), ("x.tsv.gz", "csv"), ("a.b.ndjson", "jsonl")])
def test_the_name_says_the_format(name: str, form: str) -> None:
    assert file_format(Path(name)) == form


@pytest.mark.parametrize("name", ["x", "x.gz", "x.xlsx", "x.json"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownFormat, match=r"\.jsonl"):
        file_format(Path(name))
