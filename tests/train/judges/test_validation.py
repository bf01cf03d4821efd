"""What is measured of a judge, who is admitted, and who is refused with which words."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.train.judges.made import Indifferent, cases
from train.judges.admission import JudgeRefused, admit, failures, judge_folders
from train.judges.attack import SURFACES, attack, gain
from train.judges.biases import within
from train.judges.encoder import EncoderJudge, write_judge
from train.judges.limits import Limits, LimitsError, read_limits
from train.judges.page import BEGIN, END, PageError, put, tables
from train.judges.teachers import Denial
from train.judges.validation import Validation, agreement_about, misquoted, read_validation, validate, write_validation

LOOSE = Limits(
    min_cases=5, seen=0.1, unseen=0.1, length_bias=1, ece=1, attack_rise=1, attack_crossing=1, style=1
)  # fmt: skip


@pytest.fixture(scope="module")
def measured(judge: EncoderJudge) -> Validation:
    found = cases("variant_conflict")
    claim = next(case.right for case in found if case.kind == "denied")
    denial = Denial(claim.left, claim.right, "gpt", (claim.attribute, "brand"), 1)
    return validate(judge, found, [denial], seed=1, attacked=6)[0]


def test_accuracy_by_kind_has_counts_and_bounds(measured: Validation) -> None:
    kinds = {kind.kind: kind for kind in measured.kinds}
    assert kinds["denied"].seen
    assert not kinds["edition"].seen
    assert all(kind.low <= kind.accuracy and 0 < kind.products <= kind.cases for kind in measured.kinds)
    assert sum(kind.cases for kind in measured.kinds) == len(cases("variant_conflict"))
    assert measured.denials.rationales == measured.denials.with_claim == measured.denials.rejected == 1
    assert 0 <= measured.ece <= 1


def test_a_tie_is_wrong_and_indifference_has_no_bias() -> None:
    judged = validate(Indifferent("variant_conflict"), cases("variant_conflict"), [], seed=1, attacked=3)[0]
    assert all(kind.accuracy == 0 for kind in judged.kinds)
    assert (judged.length_listing, judged.length_quote) == (0, 0)
    assert judged.brier == pytest.approx(0.25)
    assert all(each.rise == 0 for each in judged.attack)
    told = " ".join(failures(judged, read_limits()))
    assert "denied (seen): lower bound of accuracy 0.000, at least 0.85" in told
    assert "cases, at least 200" in told


def test_order_and_case_change_nothing(measured: Validation) -> None:
    assert measured.style["order"] < 1e-6
    assert measured.style["upper case"] < 1e-6


def test_length_bias_is_taken_within_kind_and_correctness() -> None:
    groups = ["a"] * 50 + ["b"] * 50
    rng = np.random.default_rng(0)
    length = np.concatenate([rng.normal(0, 1, 50), rng.normal(9, 1, 50)])
    assert (
        abs(within(groups, (length > 4).astype(float), length)) < 0.1
    )  # a difference between groups is none within them
    assert within(groups, 3 * length + 1, length) == pytest.approx(1)
    assert within(groups, np.ones(100), length) == 0


def test_what_only_its_quotes_make_wrong_is_not_searched_over() -> None:
    found = {case.kind: misquoted(case) for case in cases("variant_conflict")}
    assert {kind for kind, only in found.items() if only} == {"wrong-side", "stray-quote", "other-attribute"}


@pytest.mark.parametrize("surface", SURFACES)
def test_a_search_never_lowers_a_score_and_leaves_the_claim_wrong(judge: EncoderJudge, surface: str) -> None:
    wrong = [case.wrong for case in cases("variant_conflict") if case.kind == "denied"][:5]
    kind = next(each for each in SURFACES if each == surface)
    found = attack(judge, wrong, kind, seed=2, rounds=1)
    assert all(each.after >= each.before for each in found)
    for each, claim in zip(found, wrong, strict=True):
        assert (each.found.attribute, each.found.verdict) == (claim.attribute, claim.verdict)
        assert claim.left.title in each.found.left.title
    assert judge.score([each.found for each in found]) == pytest.approx([each.after for each in found], abs=1e-6)
    assert gain(kind, found, 2.0).rejected == 5
    assert gain(kind, found, 2.0).crossed == 0


def test_judges_that_say_alike_agree(judge: EncoderJudge) -> None:
    claims = [claim for case in cases("variant_conflict")[:30] for claim in (case.right, case.wrong)]
    scores = judge.score(claims)
    agreed = agreement_about({"one": scores, "two": scores, "turned": 1 - scores}, claims)
    assert agreed["one", "two"].kappa == pytest.approx(1)
    turned = agreed["turned", "one"].kappa
    assert turned is not None
    assert turned < -0.5


def test_only_a_judge_measured_with_these_weights_is_admitted(
    judge: EncoderJudge, judge_folder: Path, measured: Validation, tmp_path: Path
) -> None:
    folder = tmp_path / "variant_conflict"
    shutil.copytree(judge_folder, folder)
    (folder / "validation.json").unlink(missing_ok=True)
    with pytest.raises(JudgeRefused, match=r"variant_conflict .*: never validated"):
        admit([folder], LOOSE)
    write_validation(folder, measured)
    assert read_validation(folder) == measured
    assert [each.name for each in admit([folder], LOOSE)] == ["variant_conflict"]
    with pytest.raises(JudgeRefused, match=r"variant_conflict .*: .*lower bound of accuracy 0\.\d+, at least 0\.999"):
        admit([folder], LOOSE.model_copy(update={"seen": 0.999}))
    write_judge(folder, judge.manifest.model_copy(update={"slope": judge.manifest.slope * 2}))
    with pytest.raises(JudgeRefused, match="of other weights"):
        admit([folder], LOOSE)
    with pytest.raises(JudgeRefused, match="no judge core_identity, model_identifier"):
        judge_folders(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"length_quote": -0.2}, "length bias of quotes: |r| = 0.200"),
        ({"ece": 0.3}, "expected calibration error 0.300"),
        ({"style": {"promotion": 0.4}}, "style (promotion): mean change of score 0.400"),
    ],
)
def test_each_limit_is_named(measured: Validation, change: dict[str, object], words: str) -> None:
    assert words in " ".join(failures(measured.model_copy(update=change), read_limits()))


def test_what_rules_refuse_keeps_nobody_out(measured: Validation) -> None:
    worse = [gain.model_copy(update={"rise": 0.9, "crossed": 0.9}) for gain in measured.attack]
    told = [line for line in failures(measured.model_copy(update={"attack": worse}), read_limits()) if "attack" in line]
    assert len(told) == 4
    assert not any("free quotes" in line for line in told)


def test_the_page_has_a_row_for_each_kind(measured: Validation) -> None:
    text = tables([("Judges", [measured])], read_limits())
    assert all(f"| {kind.kind} |" in text for kind in measured.kinds)
    page = f"# x\n{BEGIN}\nold\n{END}\nrest"
    assert put(page, text).startswith(f"# x\n{BEGIN}\n\n### Judges")
    assert put(page, text).endswith(f"{END}\nrest")
    assert "old" not in put(page, text)
    with pytest.raises(PageError, match="page: no <!--"):
        put("nothing", text)


def test_limits_name_the_key(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text("min_cases = 0")
    with pytest.raises(LimitsError, match="min_cases"):
        read_limits(path)
