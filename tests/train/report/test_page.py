"""The whole report of a tiny student on made-up pairs, and what the page says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from export.verify import frozen_pairs
from tests.train.report.making import made_up_pairs
from tests.train.report.test_holdout import rows, run
from train.evaluation.evaluate import judge_pairs
from train.evaluation.suites.run import Sizes, run_suites
from train.pairs.pairs import Pair
from train.report.cache import CachedJudge, Kept
from train.report.collect import build_report
from train.report.floors import look_up, read_floors
from train.report.inputs import Inputs, TeacherRow, Training
from train.report.page import boosting_sentences, markdown, write_page
from train.verification.audit import Audited
from worker.student.student import Student

SECTIONS = (
    "What must be shown", "The bundle", "Test sets, in-domain", "A whole set left out", "Products never seen", "Slices",
    "Attribute verdicts", "Calibration", "Order, noise and injection", "Reinforcement learning",
    "Abt-Buy with people's labels", "Speed", "The ten worst mistakes", "What was measured",
)  # fmt: skip
NAMES = ("abt-buy", "amazon-google")


def inputs() -> Inputs:
    frozen = [Pair(f"f{n}", item.query, item.candidate, n % 2, "abt-buy") for n, item in enumerate(frozen_pairs()[:8])]
    training = [pair for name in NAMES for pair in made_up_pairs(60, name, seed=1)]
    products = made_up_pairs(8, "wdc-products")
    return Inputs(
        tests={
            "abt-buy": [*frozen, *made_up_pairs(12, "abt-buy")],
            "amazon-google": made_up_pairs(12, "amazon-google"),
        },
        validation={name: made_up_pairs(20, name, seed=2) for name in NAMES},
        products=products,
        teacher=[TeacherRow(pair, {"brand": "same", "product": "different"}, n < 2) for n, pair in enumerate(products)],
        training=lambda: Training(training, "0" * 64),
        training_key="made up",
        audit={"f1": Audited("f1", "non_match", 1), "f2": Audited("f2", "ambiguous", 0)},
        files={"abt-buy/test.jsonl": "1" * 64},
        file_pairs={"abt-buy/test.jsonl": 20},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def judge(tiny_bundle: Path, folder: Path) -> CachedJudge:
    return CachedJudge(Student.load(tiny_bundle, threads=1), folder / ".cache")


@pytest.fixture(scope="module")
def report(judge: CachedJudge, folder: Path) -> dict[str, Any]:
    given = inputs()
    return build_report(
        judge,
        given,
        Kept(folder / ".cache"),
        runs=[run(rows("amazon-google", "valid"), rows("abt-buy", "test"), left_out=("abt-buy",))],
        robustness=run_suites(judge, given.tests, sizes=Sizes(2, 1, 1, 2, 1, 4, 4, 1)),
        limit=20,
    )


@pytest.fixture(scope="module")
def page(report: Mapping[str, Any], folder: Path) -> str:
    made = write_page(report, folder)
    assert all(path.stat().st_size for path in made)
    return (folder / "report.md").read_text()


def cells(page: str, start: str) -> list[str]:
    """The cells of the first table row that starts so."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_section_is_there_and_a_trial_is_named(page: str) -> None:
    assert tuple(re.findall(r"^## (.+)$", page, re.MULTILINE)) == SECTIONS
    assert "A trial: only the first 20 pairs" in page


def test_the_numbers_of_the_page_are_those_of_the_json(page: str, folder: Path, judge: CachedJudge) -> None:
    found = orjson.loads((folder / "report.json").read_bytes())
    for name in NAMES:
        row = found["sets"][name]["student"]
        shown = cells(page, f"{name} | {row['n']} ({row['positives']}) | **student**")
        interval = f"[{100 * row['f1_low']:.1f}, {100 * row['f1_high']:.1f}]"
        assert shown[3] == f"{100 * row['f1']:.1f} {interval}"
        assert shown[4:7] == [f"{100 * row[key]:.1f}" for key in ("precision", "recall", "average_precision")]
        assert shown[7:9] == [f"{row[key]:.3f}" for key in ("ece", "brier")]
    left_out = found["holdout"]["sets"]["abt-buy"]
    assert cells(page, "abt-buy | **student**")[3].startswith(f"{100 * left_out['f1']:.1f} [")
    assert cells(page, "WDC Products, the report's products")[1] == "8 (4)"
    assert found["bundle"]["digest"] == judge.manifest.digest()
    assert found["bundle"]["digest"] in page


def test_the_numbers_are_those_of_the_student(report: Mapping[str, Any], judge: CachedJudge) -> None:
    pairs = inputs().tests["abt-buy"]
    said = judge_pairs(judge, pairs).probabilities() >= judge.manifest.thresholds.match
    labels = [pair.label == 1 for pair in pairs]
    hits = sum(one and other for one, other in zip(said, labels, strict=True))
    assert report["sets"]["abt-buy"]["student"]["recall"] == round(hits / sum(labels), 4)
    assert report["calibration"]["n"] == 32
    wrong = sum(one != other for one, other in zip(said, labels, strict=True))
    assert len([row for row in report["mistakes"] if row["set"] == "abt-buy"]) <= wrong
    surest = [abs(row["probability"] - (row["label"] == "match")) for row in report["mistakes"]]
    assert surest == sorted(surest, reverse=True)
    assert all(len(row[side]) <= 80 for row in report["mistakes"] for side in ("left", "right"))


def test_every_floor_finds_its_number(report: Mapping[str, Any]) -> None:
    assert [row["path"] for row in report["floors"]] == [floor.value for floor in read_floors()]
    # Two of the four sets and one of the left-out ones are not in this trial, and the tiny student has no target;
    # every other path must lead somewhere.
    absent = ("sets.wdc-", "holdout.sets.amazon-google", "calibration.at_target")
    for row in report["floors"]:
        parent, _, name = row["path"].rpartition(".")
        leads = name in (look_up(report, parent) or {})
        assert leads != any(part in row["path"] for part in absent), row["path"]
    assert {row["status"] for row in report["floors"]} == {"met", "not met", "not measured"}


def test_the_audit_corrects_its_set(report: Mapping[str, Any], page: str) -> None:
    assert (report["audit"]["audited"], report["audit"]["disputed_to_non_match"]) == (2, 1)
    assert "2 of the pairs were audited, 1 found ambiguous" in page


def test_the_html_needs_no_other_file(page: str, folder: Path) -> None:
    text = (folder / "report.html").read_text()
    assert text.count("<h2>") == len(SECTIONS)
    assert text.count('src="data:image/svg+xml;base64,') == 4
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert text.count("<table>") == sum(line.startswith("| ---") for line in page.splitlines())


def test_a_second_run_judges_nothing_and_says_the_same(
    report: Mapping[str, Any], judge: CachedJudge, folder: Path
) -> None:
    before = judge.judged
    again = build_report(judge, inputs(), Kept(folder / ".cache"), limit=20)
    assert judge.judged == before
    assert again["sets"] == report["sets"]
    assert again["robustness"] is None
    text = markdown(again)
    assert "Not measured." in text
    assert "| Seller noise changes correct decisions | at most 5.0 | – | – | not measured |" in text


def test_where_boosting_is_beaten_is_said_by_the_interval() -> None:
    def gap(value: float, low: float, high: float) -> dict[str, Any]:
        return {"against_boosting": {"difference": value, "difference_low": low, "difference_high": high}}

    said = boosting_sentences({"a": gap(0.1, 0.02, 0.2), "b": gap(0.1, -0.02, 0.2), "c": gap(-0.1, -0.3, -0.02)})
    assert "On a the student beats gradient boosting (+10.0 [2.0, 20.0])." in said[0]
    assert "within the interval" in said[1]
    assert "loses to" in said[2]
