from __future__ import annotations

from pathlib import Path

import orjson

from train.cost.inputs import read_inputs
from train.cost.page import page, write
from train.cost.ways import WAYS, costs, decisions_per_month

DOCS = Path(__file__).parents[3] / "docs"


def test_the_folder_holds_the_page_its_numbers_and_its_plots(tmp_path: Path) -> None:
    inputs = read_inputs()
    path = write(inputs, tmp_path)
    text = path.read_text()
    for name in ("tco-break-even.svg", "tco-sensitivity.svg"):
        assert f"({name})" in text
        assert "<svg" in (tmp_path / name).read_text()
    found = orjson.loads((tmp_path / "tco.json").read_bytes())
    decisions = decisions_per_month(inputs)
    for way in WAYS:
        assert f"| {way} |" in text
        assert found["ways"][way]["month"] == costs(inputs)[way].month(decisions)


def test_the_committed_page_says_what_the_inputs_give() -> None:
    assert (DOCS / "tco.md").read_text() == page(read_inputs())
