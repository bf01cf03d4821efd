"""What an export is told in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from export.facts import read_facts
from export.failures import ExportError


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_files_are_merged(tmp_path: Path) -> None:
    calibration = write(tmp_path / "c.json", {"a": 2.0, "b": -1.0, "fitted_on": "validation"})
    quality = write(tmp_path / "q.json", {"quality": {"f1": 0.9}, "thresholds": {"match": 0.4}, "trained_on": ["x"]})
    facts = read_facts(calibration, None, quality)
    assert facts.calibration is not None
    assert (facts.calibration.a, facts.calibration.fitted_on) == (2.0, "validation")
    assert set(facts.given()) == {"calibration", "thresholds", "quality", "trained_on"}
    assert read_facts().given() == {}
    report = write(tmp_path / "r.json", {"calibration": {"a": 1.0, "b": 0.0}, "calibration_report": {"pooled": {}}})
    assert set(read_facts(report).given()) == {"calibration"}


def test_a_margin_comes_from_a_file_or_before_it(tmp_path: Path) -> None:
    file = write(tmp_path / "q.json", {"both_orders_within": 2.0})
    assert read_facts(file).both_orders_within == 2.0
    assert read_facts(file, both_orders_within=1.0).both_orders_within == 1.0
    assert read_facts(file, both_orders_within=0.0).given() == {"both_orders_within": 0.0}


@pytest.mark.parametrize("content", [{"both_orders_within": -1}, {"calibration": {"a": -1}}, {"unknown": 1}, [1]])
def test_what_is_no_fact_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ExportError, match="is no file of facts"):
        read_facts(write(tmp_path / "f.json", content))
    with pytest.raises(ExportError, match="cannot read"):
        read_facts(tmp_path / "missing.json")
