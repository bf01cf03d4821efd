from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.train.verification.making import checks
from train.verification.assess import assess
from train.verification.gate import Bound, GatePolicy, UnverifiedTeacherError, require, require_files
from train.verification.plan import plan_tasks
from train.verification.records import Check, read_claims, write_lines


def test_a_set_passes_when_it_is_shown_to_be_good() -> None:
    require(assess(checks(["match"] * 59)), GatePolicy())
    with pytest.raises(UnverifiedTeacherError, match=r"upper bound .* 5\.0\d%, above the limit of 5\.00%"):
        require(assess(checks(["match"] * 58)), GatePolicy())


def test_the_error_names_set_number_and_limit() -> None:
    with pytest.raises(UnverifiedTeacherError) as caught:
        require(assess(checks(["match"] * 90 + ["no_match"] * 10)), GatePolicy(limit=0.02))
    said = str(caught.value)
    for part in ("'teacher-a'", "one-sided 95% upper bound", "limit of 2.00%", "estimate 10.00%", "10 errors in 100"):
        assert part in said


@pytest.mark.parametrize(
    ("bound", "wrong", "passes"),
    [
        ("upper", 4, False), ("upper", 1, True),
        ("point", 4, True), ("point", 6, False),
        ("lower", 6, True), ("lower", 12, False),
    ],
)  # fmt: skip
def test_which_bound_must_hold(bound: Bound, wrong: int, passes: bool) -> None:
    assessment = assess(checks(["match"] * (100 - wrong) + ["no_match"] * wrong))
    if passes:
        require(assessment, GatePolicy(bound=bound))
    else:
        with pytest.raises(UnverifiedTeacherError):
            require(assessment, GatePolicy(bound=bound))


def test_attributes_are_gated_when_asked() -> None:
    assessment = assess(checks(["match"] * 80, verdicts={"brand": "same"}, attributes={"brand": "different"}))
    require(assessment, GatePolicy())
    with pytest.raises(UnverifiedTeacherError, match="in brand verdicts is 100"):
        require(assessment, GatePolicy(attribute_limit=0.1))


def test_no_answer_checked_is_no_pass() -> None:
    with pytest.raises(UnverifiedTeacherError, match="no check tells of its answers"):
        require(assess(checks(["match"] * 80, answer=None)), GatePolicy(bound="point"))


def teacher_set(path: Path, answer: str = "same") -> Path:
    rows = [{"pair_id": str(number), "answer": answer} for number in range(200)]
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return path


def test_every_set_that_is_trained_on_must_be_the_one_that_was_checked(tmp_path: Path) -> None:
    rationales, found = teacher_set(tmp_path / "set.jsonl"), tmp_path / "checks.jsonl"
    tasks = plan_tasks(read_claims(rationales), 80, set_name="mine")
    write_lines(found, [Check(**task.model_dump(), reviewer="ann", verdict="match") for task in tasks])
    (assessment,) = require_files([found], GatePolicy(), [rationales])
    assert assessment.set_name == "mine"
    other = teacher_set(tmp_path / "other.jsonl", "different")
    with pytest.raises(UnverifiedTeacherError, match=r"other\.jsonl .* is not verified; checks are of: mine"):
        require_files([found], GatePolicy(), [rationales, other])
    with pytest.raises(UnverifiedTeacherError, match="checks are of: none"):
        require_files([], GatePolicy(), [rationales])
