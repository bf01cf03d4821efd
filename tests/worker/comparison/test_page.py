"""The page and its data."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson

from schemas.policy import Costs
from schemas.upgrades import CompareSettings
from tests.worker.comparison.making import sides
from worker.comparison.cases import Aligned, Case
from worker.comparison.compare import Named, comparison, points
from worker.comparison.page import write_page

SIDE = Named("side", {"tiny 1.0.0 (d)": 3})


def made(cases: list[Case], folder: Path) -> tuple[dict[str, Any], str]:
    aligned = Aligned(cases)
    data, page = write_page(
        comparison(SIDE, SIDE, aligned, Costs(), CompareSettings()), points(aligned), folder
    )  # fmt: skip
    return orjson.loads(data.read_bytes()), page.read_text(encoding="utf-8")


def test_the_page_needs_nothing_else_and_shows_what_the_data_say(tmp_path: Path) -> None:
    cases = [
        sides("match", "no_match" if number % 3 else "match", number=number, label=number % 2 == 0, category="tv",
              title="<script>alert(1)</script> camera")
        for number in range(30)
    ]  # fmt: skip
    found, page = made(cases, tmp_path)
    assert found["flips"]["share"]["count"] == 20
    assert "20 verdicts turned" in page
    assert "Beyond the limits" in page
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    # Names of XML vocabularies are no addresses; everything else would be fetched.
    assert not re.findall(r'(?:src|href)="(?!#)(?!http://www\.w3\.org)[^"]+"', page)

    class Strict(HTMLParser):
        def error(self, message: str) -> None:
            raise AssertionError(message)

    Strict().feed(page)


def test_the_same_comparison_gives_the_same_bytes(tmp_path: Path) -> None:
    cases = [sides("match", "review", number=number, label=True) for number in range(12)]
    made(cases, tmp_path / "a")
    made(cases, tmp_path / "b")
    for name in ("compare.html", "compare.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_comparison_of_nothing_has_a_page(tmp_path: Path) -> None:
    found, page = made([], tmp_path)
    assert found["pairs"]["compared"] == 0
    assert "None of the compared pairs has a label" in page
