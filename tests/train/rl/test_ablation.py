"""Arms, examination, table and the hacking demonstration on a tiny base; and what the command line refuses."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import torch

from benchmarks.hacking import HACKABLE, demonstrate, hackable, onset
from samesku.cli import build
from samesku.errors import CommandError
from train.report.reinforcement import read_ablation
from train.rl.ablation import TITLES, Plan, run_ablation
from train.rl.assessment import Exam

from .making import RuleJudge, tiny_adapter, tiny_config, tiny_pool, training_pair

JUDGES = ([RuleJudge()], [RuleJudge(name="variant_conflict", leaning=0.8)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:mtime may not be reliable:UserWarning")
def test_arms_are_run_measured_and_compared_and_hacking_is_shown(tiny_base: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    config = tiny_config(tiny_base, tiny_adapter(tiny_base, tmp_path / "start"), steps=2)
    pairs = [training_pair(number).pair for number in range(20)]
    exam = Exam({(split, "made"): pairs for split in ("valid", "test")}, judged=6)
    pool, out = tiny_pool(), tmp_path / "out"
    plan = Plan(["sft", "full"], [1])
    page = run_ablation(config, out, plan, judges=JUDGES, pool=pool, exam=exam)
    rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 2 * 3
    card = read_ablation(out / "ablation.json")
    assert card is not None
    assert card["runs"] == 2
    assert {row["about"] for row in card["rows"]} == {*TITLES.values()} & {line.split(" | ")[0][2:] for line in rows}
    report = orjson.loads((out / "ablation.json").read_bytes())
    assert {row["arm"] for row in report["rows"]} == {"sft", "full", "start"}
    assert set(report["runs"]) == {"sft 1", "full 1"}
    assert report["verdict"] in page.read_text()
    assert (out / "ablation.svg").read_text().startswith("<?xml")
    # Another arm is added: what is finished is not run again.
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("arms/*/training.json")}
    run_ablation(config, out, Plan(["sft", "full", "swapped"], [1]), judges=JUDGES, pool=pool, exam=exam)
    assert stamps.items() <= {path: path.stat().st_mtime_ns for path in out.glob("arms/*/training.json")}.items()
    swapped = orjson.loads((out / "arms" / "swapped-1" / "training.json").read_bytes())
    assert [judge["name"] for judge in swapped["judges"]] == ["variant_conflict"]

    hacked = demonstrate(hackable(config, 4, 1e-2), tmp_path / "hacked", out / "arms", judges=JUDGES, pool=pool)
    assert hacked["reward"] == HACKABLE.model_dump()
    assert hacked["simulated_false_alarms"]["share"] <= 0.1
    assert set(hacked["clean_runs"]) == {"sft-1", "full-1", "swapped-1"}
    assert hacked["panels"][-1]["step"] == 4
    assert (tmp_path / "hacked" / "hacking.svg").is_file()


def test_gold_has_fallen_when_it_stays_below_the_start() -> None:
    panels = [{"step": step, "gold_f1": value} for step, value in enumerate((0.8, 0.7, 0.79, 0.6, 0.5))]
    assert onset(panels, "gold_f1") == 3
    assert onset(panels[:3], "gold_f1") is None


def test_judges_that_cannot_be_admitted_are_refused_before_anything_else(tmp_path: Path) -> None:
    recipe = tmp_path / "rl.toml"
    recipe.write_text('judges = ["none"]\nheld_out_judges = []\nadapter = "nowhere"\n')
    for command in ("rl", "ablate"):
        with pytest.raises(CommandError, match="no judge core_identity, model_identifier, variant_conflict"):
            build().main(
                ["train", command, "--config", str(recipe), "--out", str(tmp_path / "out")], standalone_mode=False
            )
    assert not (tmp_path / "out").exists()
