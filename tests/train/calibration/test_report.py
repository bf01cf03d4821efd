from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from scipy.special import expit

from train.calibration.methods import Scored
from train.calibration.run import calibrate, prior_facts, training_facts
from train.calibration.thresholds import Targets
from train.evaluation.metrics import Bools, Floats


def drawn(pairs: int, seed: int, b: float = -1.0) -> tuple[Floats, Bools]:
    generator = np.random.default_rng(seed)
    match = generator.random(pairs) < 0.25
    logits = np.where(match, generator.normal(4, 2.5, pairs), generator.normal(-4, 2.5, pairs))
    return logits, generator.random(pairs) < expit(logits + b)


ALIKE: Scored = {"a": drawn(1_200, 1), "b": drawn(800, 2), "c": drawn(1_000, 3)}


def test_the_report_holds_the_stored_fit_and_the_honest_one() -> None:
    made = calibrate(ALIKE, Targets(precision=0.93, npv=0.97, review_budget=0.5))
    facts = made.facts
    report = orjson.loads(orjson.dumps(facts))["calibration_report"]
    assert set(report) == {
        "pooled", "leave_one_out", "methods", "reliability", "risk_coverage", "policy",
    }  # fmt: skip
    assert report["pooled"]["all"]["ece_inside"]
    for name in ALIKE:
        held, stored = report["leave_one_out"][name], report["pooled"]["sets"][name]
        assert held["f1"] <= held["f1_own"] + 0.01
        assert held["f1"] == pytest.approx(stored["f1"], abs=0.03)
        assert held["a"] != facts["calibration"]["a"]
        assert set(report["policy"]["leave_one_out"][name]["thresholds"]) == {"match", "review_low", "review_high"}
    assert facts["thresholds"] == report["policy"]["thresholds"]
    assert sum(each["pairs"] for each in report["reliability"]) == 3_000
    assert report["risk_coverage"]["risk_at"]["0.5"] < report["risk_coverage"]["risk_at"]["1.0"]
    assert made.unmet() == []


def test_a_set_unlike_the_others_shows() -> None:
    """Its log-odds are off by 4: pooled the fit is a compromise, from the others alone it is far away."""
    sets = {**ALIKE, "other": drawn(1_000, 4, b=-5.0)}
    report = calibrate(sets, Targets()).facts["calibration_report"]
    assert not report["leave_one_out"]["other"]["ece_inside"]
    assert report["leave_one_out"]["other"]["ece"] > report["pooled"]["sets"]["other"]["ece"]
    assert report["leave_one_out"]["other"]["f1"] < report["leave_one_out"]["other"]["f1_own"]
    assert "policy" not in report


def test_one_set_has_nothing_to_leave_out() -> None:
    made = calibrate({"a": ALIKE["a"]}, Targets(precision=0.9999))
    report = made.facts["calibration_report"]
    assert report["leave_one_out"] == report["methods"] == {}
    assert made.unmet()[0].startswith("precision: the target 0.9999 is not met, the best bound is 0.9")


def test_the_run_says_how_far_the_sampling_moved_the_logits(tmp_path: Path) -> None:
    training = tmp_path / "training.json"
    data = {"digest": "d", "counts": {"abt-buy:0": 3, "abt-buy:1": 1, "wdc:0": 2}}
    training.write_bytes(orjson.dumps({"config": {"keep_easy": 0.1, "both_ways": True}, "data": data}))
    fitted = calibrate(ALIKE, Targets()).fitted
    assert prior_facts(training, fitted) == {"hard": 0.6931, "easy": 2.9957, "fitted": pytest.approx(1, abs=0.2)}
    assert training_facts(training) == {"training_digest": "d", "trained_on": ["abt-buy", "wdc"]}
    training.write_bytes(orjson.dumps({"data": data}))
    assert prior_facts(training, fitted) == {}


def test_without_targets_there_is_one_threshold() -> None:
    facts = calibrate(ALIKE, Targets()).facts
    assert set(facts["thresholds"]) == {"match"}
