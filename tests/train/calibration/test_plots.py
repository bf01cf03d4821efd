from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from train.calibration.curves import reliability, risk_coverage
from train.calibration.plots import reliability_diagram, risk_coverage_curves, save

PROBABILITIES = np.random.default_rng(1).random(200)
LABELS = np.random.default_rng(2).random(200) < PROBABILITIES


def test_pictures_are_written(tmp_path: Path) -> None:
    diagram = reliability_diagram(reliability(LABELS, PROBABILITIES), "drawn")
    curves = risk_coverage_curves({"drawn": risk_coverage(LABELS, PROBABILITIES, 0.5)})
    save(diagram, tmp_path / "deep" / "reliability.png")
    assert (tmp_path / "deep" / "reliability.png").read_bytes().startswith(b"\x89PNG")
    for name in ("one.svg", "two.svg"):
        save(curves, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert b"</svg>" in (tmp_path / "one.svg").read_bytes()


def test_the_diagram_shows_every_bin() -> None:
    bins = reliability(LABELS, PROBABILITIES)
    above, below = reliability_diagram(bins).axes
    assert len(below.patches) == len(bins)
    drawn = next(line for line in above.lines if line.get_marker() == "o")
    assert np.asarray(drawn.get_ydata()).tolist() == [each.share_of_matches for each in bins]


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"written as \.png or \.svg"):
        save(risk_coverage_curves({"drawn": risk_coverage(LABELS, PROBABILITIES, 0.5)}), tmp_path / "curve.txt")
