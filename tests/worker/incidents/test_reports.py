from __future__ import annotations

from pathlib import Path

import pytest

from worker.incidents.errors import IncidentError
from worker.incidents.reports import Report, read_reports


def test_json_lines_and_csv_say_the_same(tmp_path: Path) -> None:
    lines, table = tmp_path / "r.jsonl", tmp_path / "r.csv"
    lines.write_text(
        '{"pair_id": "b:1#a:1", "expected": "no_match"}\n\n'
        '{"offer_a": "b:2", "offer_b": "a:2", "note": "six, not one"}\n'
    )
    table.write_text('pair_id,offer_a,offer_b,expected,note\nb:1#a:1,,,no_match,\n,b:2,a:2,,"six, not one"\n')
    expected = [Report("a:1#b:1", "no_match"), Report("a:2#b:2", None, None, "six, not one")]
    assert read_reports(lines) == read_reports(table) == expected


def test_the_first_report_of_a_pair_counts(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text('{"pair_id": "a:1#b:1", "note": "one"}\n{"pair_id": "a:1#b:1", "note": "two"}\n')
    assert [report.note for report in read_reports(file)] == ["one"]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("r.jsonl", "", "reports no pair"),
        ("r.jsonl", "{", "line 1: not JSON"),
        ("r.jsonl", "[1]", "line 1: expected an object with pair_id"),
        ("r.jsonl", '{"pair_id": "a:1"}', "line 1: pair_id = 'a:1': not a pair id"),
        ("r.jsonl", '{"offer_a": "a:1"}', "line 1: names no pair"),
        ("r.jsonl", '{"pair_id": "a:1#b:1", "expected": "maybe"}', "expected = 'maybe'; valid: match, no_match"),
        ("r.jsonl", '{"pair_id": 3}', "pair_id = 3 is no text"),
        ("r.csv", "pair,note\na:1#b:1,x\n", "unknown columns pair; valid: pair_id"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(IncidentError, match=why.replace("[", r"\[")):
        read_reports(tmp_path / name)
