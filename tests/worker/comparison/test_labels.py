"""Labels of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.comparison.labels import BadLabels, by_pair, read_labels


def test_csv_and_json_lines(tmp_path: Path) -> None:
    table, lines = tmp_path / "l.csv", tmp_path / "l.jsonl"
    table.write_text("first,second,label\nb:1,a:1,1\na:2,b:2,no_match\n")
    lines.write_text('{"pair_id": "a:1#b:1", "verdict": "no_match", "first_digest": "x", "second_digest": "y"}\n')
    assert [(each.pair_id, each.verdict) for each in read_labels(table)] == [
        ("a:1#b:1", "match"), ("a:2#b:2", "no_match"),
    ]  # fmt: skip
    (bound,) = read_labels(lines)
    assert (bound.verdict, bound.first_digest, bound.second_digest) == ("no_match", "x", "y")
    assert [len(found) for found in by_pair([*read_labels(table), bound]).values()] == [2, 1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pair_id,label\na:1#b:1,maybe\n", r"line 2: label is 'maybe'; valid: match"),
        ("pair_id,label\na:1,1\n", r"line 2: needs pair_id"),
        ("other,label\nx,1\n", r"line 2: needs pair_id"),
        ("pair_id\na:1#b:1\n", r"line 2: label is None"),
    ],
)
def test_a_row_that_says_nothing_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "l.csv"
    path.write_text(text)
    with pytest.raises(BadLabels, match=told):
        read_labels(path)


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    path.write_text('{"pair_id": "a:1#b:1", "label": 1}\nnot json\n')
    with pytest.raises(BadLabels, match="line 2: not JSON"):
        read_labels(path)
