from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.growth import main, shortened
from benchmarks.growth_table import measures_of, page, plot
from export.base import load_base
from export.tiny import make_tiny_base


def rows(origin: str, split: str, shift: float) -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    return [
        {"origin": origin, "split": split, "label": n % 4 // 3, "logit": 6 * (n % 4 // 3) - 3 + shift + rng.normal()}
        for n in range(400)
    ]


def run(layers: int, steps: int, shift: float = 0.0) -> dict[str, Any]:
    scored = [*rows("abt-buy", "valid", 0.0), *rows("amazon-google", "test", shift)]
    return {
        "set": "amazon-google", "layers": layers, "parameters": layers * 4_000_000, "steps": steps,
        "examples": steps * 15, "train_seconds": 60.0, **measures_of(scored, "amazon-google"),
    }  # fmt: skip


def test_the_threshold_comes_from_the_other_sets() -> None:
    near, far = run(30, 100), run(30, 100, shift=-3.5)
    assert near["f1"] > 0.97
    # Where the left-out set's scores lie elsewhere, only its own threshold would help.
    assert far["f1"] < 0.7
    assert far["oracle_f1"] > 0.97


def test_the_page_has_a_row_a_run_and_the_plot_a_line_a_depth(tmp_path: Path) -> None:
    runs = [run(30, 300), run(10, 100), run(30, 100)]
    lines = [line for line in page(runs).splitlines() if line.startswith(("| 10 |", "| 30 |"))]
    assert [line.split(" | ")[:3][0].strip("| ") + "/" + line.split(" | ")[2] for line in lines] == [
        "10/100", "30/100", "30/300",
    ]  # fmt: skip
    plot(runs, tmp_path / "growth.svg")
    text = (tmp_path / "growth.svg").read_text()
    assert "<svg" in text
    first = text
    plot(runs, tmp_path / "growth.svg")
    assert len(first) == len((tmp_path / "growth.svg").read_text())


def test_fewer_layers_are_the_first_ones(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base")
    short = shortened(str(base), 1, tmp_path / "short")
    (whole, _), (cut, _) = load_base(base), load_base(short)
    assert cut.config.num_hidden_layers == len(cut.model.layers) == 1 < len(whole.model.layers)
    first = whole.model.layers[0].mlp.up_proj.weight
    assert (cut.model.layers[0].mlp.up_proj.weight == first).all()
    assert shortened(str(base), 99, tmp_path / "whole") == str(base)
    with pytest.raises(ValueError, match="at least 1"):
        shortened(str(base), 0, tmp_path / "none")


def test_nothing_to_do_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--table", "--out", str(tmp_path)])
    assert "nothing was run there" in capsys.readouterr().err
