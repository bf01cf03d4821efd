"""The tables of the operations page are those of the code."""

from __future__ import annotations

import pytest

from samesku.reference import PAGE, TABLES, main, render, table


def test_the_committed_page_is_up_to_date() -> None:
    assert main(["--check"]) == 0, "run python -m samesku.reference"


def test_every_table_has_rows() -> None:
    for name, make in TABLES.items():
        assert len(make().splitlines()) > 5, name


def test_a_cell_breaks_no_table() -> None:
    assert table(("a",), [("x | y\nz",)]) == "| a |\n| --- |\n| x \\| y z |"


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        render(PAGE.read_text(encoding="utf-8").replace("<!-- metrics: end -->", ""))
