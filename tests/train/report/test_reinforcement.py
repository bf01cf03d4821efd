from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.train.report.test_page import cells
from train.pairs.pairs import PairFileError
from train.report.page import markdown
from train.report.reinforcement import read_ablation
from worker.student.locate import RECIPES

STUDENT = RECIPES / "samesku-135m"


def test_the_committed_card_shows_the_committed_ablation_of_its_own_adapter() -> None:
    found = read_ablation(STUDENT / "ablation.json")
    card = orjson.loads((STUDENT / "report" / "report.json").read_bytes())
    assert found is not None
    assert card["reinforcement"] == {**found, "same_adapter": True}
    page = (STUDENT / "report" / "report.md").read_text()
    assert page == markdown(card)
    assert f"**{found['verdict']}**" in page
    control, full = (
        next(row for row in found["rows"] if (row["arm"], row["split"]) == (arm, "test")) for arm in ("sft", "full")
    )
    shown = cells(page, f"{full['about']} | test")
    assert shown[3].startswith(f"{100 * full['f1']:.1f} [{100 * full['f1_low']:.1f}, ")
    assert shown[5] == f"{full['brier']:.4f}"
    assert full["brier_less_control"] == pytest.approx(full["brier"] - control["brier"])
    assert shown[6].startswith(f"{full['brier_less_control']:+.4f} [")


def test_no_file_is_no_ablation_and_another_file_is_refused(tmp_path: Path) -> None:
    assert read_ablation(tmp_path / "none.json") is None
    other = tmp_path / "other.json"
    for text in (b"{", b"[]", b'{"rows": [{"arm": "sft"}]}'):
        other.write_bytes(text)
        with pytest.raises(PairFileError, match=r"no ablation\.json"):
            read_ablation(other)
