from __future__ import annotations

import pytest

from schemas.policy import Policy
from schemas.rationale import ATTRIBUTES
from schemas.text import clean
from train.evaluation.suites.bench import Bench, in_turn
from train.evaluation.suites.flips import REQUIRED, make_cases, run
from train.pairs.edits import ATTRIBUTE_OF, EDIT_KINDS, EditKind
from train.pairs.pairs import Pair
from train.pairs.wordlists import EVALUATION, TRAINING
from train.rationales.derive import derive
from worker.student.student import Student


@pytest.mark.parametrize("kind", EDIT_KINDS)
def test_a_case_changes_one_side_and_alike_changes_both(sets: dict[str, list[Pair]], kind: EditKind) -> None:
    cases = make_cases(in_turn(sets, 1, seed=3), kind, 12, seed=3)
    assert len(cases) == 12
    assert cases == make_cases(in_turn(sets, 1, seed=3), kind, 12, seed=3)
    for case in cases:
        assert sum(a != b for a, b in zip(case.before, case.after, strict=True)) == 1
        assert case.alike
        attribute, known = ATTRIBUTE_OF[kind], frozenset([*EVALUATION.brands, "sony"])
        assert derive(*case.before, 0, known).verdicts.get(attribute) != "different"
        assert derive(*case.alike, 0, known).verdicts.get(attribute) != "different"
        # The rules see a conflict too, but not in a pack beside a listing that states none, in near codes or editions.
        if kind not in ("pack", "model", "edition"):
            assert derive(*case.after, 0, known).verdicts[attribute] == "different"


def test_what_is_put_in_is_of_the_list_for_measuring(sets: dict[str, list[Pair]]) -> None:
    matches = in_turn(sets, 1, seed=3)
    for kind, allowed, forbidden in (
        ("brand", EVALUATION.brands, TRAINING.brands),
        ("colour", EVALUATION.colours, TRAINING.colours),
    ):
        for case in make_cases(matches, kind, 12, seed=3):  # type: ignore[arg-type]
            before = {word for side in case.before for word in clean(side.title).split()}
            added = {word for side in case.after for word in clean(side.title).split()} - before
            assert added & set(allowed)
            assert not added & set(forbidden)


def test_the_report(student: Student, sets: dict[str, list[Pair]]) -> None:
    bench = Bench(student, Policy())
    found = run(bench, sets, cases=6, extra=3, alike=2, seed=3)
    assert set(found["kinds"]) == set(EDIT_KINDS)
    assert set(found["targets"]) == set(REQUIRED) == {"brand", "model", "pack"}
    for kind, entry in found["kinds"].items():
        assert entry["made"] == (6 if kind in REQUIRED else 3)
        kept = entry["made"] - entry["excluded_already_different"]
        assert entry["flips"]["n"] == entry["no_other_changes"]["n"] == kept
        assert sum(entry["from"].values()) == sum(entry["verdict_before"].values()) == kept
        assert entry["answer_follows"]["n"] <= kept
        assert entry["attribute"] in ATTRIBUTES
        assert not [name for name in entry["other_changes"] if name.startswith(f"{entry['attribute']}:")]
    # Told again from the judgements: the flips of one kind.
    cases = make_cases(in_turn(sets, 1, 3), "pack", 6, 3)
    kept_cases = [case for case in cases if bench.verdicts(case.before)["quantity"] != "different"]
    flipped = sum(bench.verdicts(case.after)["quantity"] == "different" for case in kept_cases)
    assert found["kinds"]["pack"]["flips"]["count"] == flipped
