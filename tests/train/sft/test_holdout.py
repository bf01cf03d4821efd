from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from export.verify import frozen_pairs
from train.pairs.mixture import Mixture, TrainingPair
from train.pairs.pairs import Pair
from train.rationales.imported import ImportReport
from train.rationales.verdicts import Targets
from train.report.holdout import read_runs
from train.sft.config import SftConfig
from train.sft.holdout import check_start, holdout_sets, publish, run_holdout
from train.sft.scores import read_scores


def test_a_run_that_holds_nothing_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing is held out: name leave_out or hold_products"):
        run_holdout(SftConfig(), tmp_path)


def test_a_start_that_may_have_seen_what_is_held_out_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "before"
    init = str(run / "adapter")
    wanted = SftConfig(init=init, leave_out=("abt-buy",), hold_products=0.25)
    unlike: list[dict[str, object] | None] = [None, {}, {"leave_out": []}]
    for before in (*unlike, {"leave_out": ["abt-buy"], "hold_products": 0.1, "hold_seed": 17}):
        if before is not None:
            run.mkdir(exist_ok=True)
            (run / "training.json").write_bytes(orjson.dumps({"config": before}))
        with pytest.raises(ValueError, match=r"init: .* may have been trained on what is held out here"):
            run_holdout(wanted, tmp_path / "run")
    (run / "training.json").write_bytes(orjson.dumps({"config": wanted.model_dump(mode="json")}))
    check_start(wanted)
    check_start(wanted.model_copy(update={"init": "first.toml"}))


def test_sets_left_out_are_scored_too_but_have_no_products_held(data_dir: Path) -> None:
    sets = holdout_sets(SftConfig(leave_out=("abt-buy",), hold_products=0.25), data_dir)
    assert len(sets) == 4 + 4 + 3
    assert ("abt-buy", "test") in sets
    assert ("abt-buy", "by-product") not in sets
    tests = {pair.id_key() for pair in sets["amazon-google", "test"]}
    held = {pair.id_key() for pair in sets["amazon-google", "by-product"]}
    assert 0 < len(held) < len(tests)
    assert held <= tests


@pytest.mark.slow
def test_a_run_is_trained_and_scored_once_and_a_report_reads_it(tiny_base: Path, tmp_path: Path) -> None:
    pairs = [Pair(str(n), item.query, item.candidate, n % 2, "frozen") for n, item in enumerate(frozen_pairs()[:12])]
    mixture = Mixture([TrainingPair(pair, Targets()) for pair in pairs], {"frozen:0": 6}, {}, ImportReport())
    sets = {("abt-buy", "valid"): pairs[:5], ("abt-buy", "test"): pairs[5:]}
    config = SftConfig(
        base=str(tiny_base), leave_out=("abt-buy",), max_steps=1, rows_per_step=2, rank=2, keep_easy=1.0, threads=1
    )
    run = tmp_path / "without-abt-buy"
    scores = run_holdout(config, run, mixture=mixture, sets=sets)
    rows = read_scores(scores)
    assert [(row["split"], row["pair_id"], row["label"]) for row in rows] == [
        ("valid" if n < 5 else "test", pair.pair_id, pair.label) for n, pair in enumerate(pairs)
    ]
    facts = orjson.loads((run / "holdout.json").read_bytes())
    assert facts["left_out"] == ["abt-buy"]
    assert facts["data"]["digest"] == mixture.digest()

    written = scores.stat().st_mtime_ns, (run / "training.json").stat().st_mtime_ns
    run_holdout(config, run, mixture=mixture, sets=sets)
    assert written == (scores.stat().st_mtime_ns, (run / "training.json").stat().st_mtime_ns)
    # Scores that are not the adapter's are made again.
    scores.write_bytes(b"")
    run_holdout(config, run, mixture=mixture, sets=sets)
    assert read_scores(scores) == rows

    publish(run, tmp_path / "evaluation")
    (read,) = read_runs(tmp_path / "evaluation")
    assert (read.name, read.left_out) == ("without-abt-buy", ["abt-buy"])
    assert set(read.scores) == set(sets)
