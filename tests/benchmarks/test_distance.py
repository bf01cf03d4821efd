"""Where the stream's matches were lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.distance import (
    Counts,
    count,
    expected,
    fate,
    fates,
    matches_of,
    sides,
    standing_matches,
    steps,
)
from schemas.decision import DecisionVerdict, MatchDecision
from schemas.policy import ABOVE_THRESHOLD, BELOW_THRESHOLD, CONTRADICTION, REVIEW_BAND
from tests.benchmarks.making import made

FOUND, UNNAMED, REFUSED, DOUBTFUL, CONTRADICTED, WRONG = (f"abt:{n}#buy:{n}" for n in range(6))
LABELLED = {FOUND: True, UNNAMED: True, REFUSED: True, DOUBTFUL: True, CONTRADICTED: True, WRONG: False}
STANDING = {
    decision.pair_id: decision
    for decision in (
        made(FOUND, "match", [ABOVE_THRESHOLD]),
        made(REFUSED, "no_match", [BELOW_THRESHOLD], 0.1, query=1),
        made(DOUBTFUL, "review", [REVIEW_BAND], 0.6),
        made(CONTRADICTED, "review", [f"{CONTRADICTION}:variant"]),
        made(WRONG, "match", [ABOVE_THRESHOLD]),
        made("abt:8#buy:9", "match", [ABOVE_THRESHOLD]),
        made("abt:8#buy:8", "match", [ABOVE_THRESHOLD]),
        made("abt:1#abt:2", "match", [ABOVE_THRESHOLD]),
    )
}


def test_counts() -> None:
    found = count({"a", "b", "c"}, {"b", "c", "d", "e"})
    assert (found.right, found.wrong, found.missed) == (2, 1, 2)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(0.5)
    assert found.f1 == pytest.approx(4 / 7)


def test_counts_of_nothing_are_zero() -> None:
    assert count(set(), set()).as_json() == {
        "right": 0, "wrong": 0, "missed": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("decision", "met"),
    [
        (None, "never_named"),
        (made(FOUND, "match"), "match"),
        (made(FOUND, "no_match"), "no_match"),
        (made(FOUND, "retracted"), "retracted"),
        (made(FOUND, "review", [REVIEW_BAND]), "review_band"),
        (made(FOUND, "review", [REVIEW_BAND, f"{CONTRADICTION}:brand"]), "review_band"),
        (made(FOUND, "review", [f"{CONTRADICTION}:brand"]), "review_contradiction"),
    ],
)
def test_fate(decision: MatchDecision | None, met: str) -> None:
    assert fate(decision) == met


def test_every_match_has_one_fate() -> None:
    true = [pair for pair, is_match in LABELLED.items() if is_match]
    counted = fates(true, STANDING)
    assert counted == {
        "match": 1, "never_named": 1, "no_match": 1, "review_band": 1, "review_contradiction": 1, "retracted": 0,
    }  # fmt: skip
    assert sum(counted.values()) == len(true)


def test_steps_let_in_one_cause_at_a_time() -> None:
    offline = {FOUND, UNNAMED, REFUSED, DOUBTFUL, CONTRADICTED}
    walked = steps(LABELLED, offline, STANDING)
    assert [(step.counts.right, step.counts.wrong) for step in walked] == [(5, 0), (4, 0), (3, 0), (2, 0), (1, 1)]


PAIRS = [f"abt:{n}#buy:{n}" for n in range(6)]
VERDICTS: list[DecisionVerdict | None] = ["match", "no_match", "review", None]


@given(
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.sets(st.sampled_from([*PAIRS, "abt:9#buy:9"])),
    st.lists(st.sampled_from(VERDICTS), min_size=6, max_size=6),
)
def test_steps_begin_offline_and_end_with_the_stream(
    labels: list[bool], offline: set[str], verdicts: list[DecisionVerdict | None]
) -> None:
    labelled = dict(zip(PAIRS, labels, strict=True))
    stands = {pair: made(pair, verdict) for pair, verdict in zip(PAIRS, verdicts, strict=True) if verdict}
    true = {pair for pair in PAIRS if labelled[pair]}
    walked = steps(labelled, offline, stands)
    assert walked[0].counts == count(offline & set(PAIRS), true)
    assert walked[-1].counts == count(matches_of(stands), true)
    said = [step.counts.right + step.counts.wrong for step in walked[:-1]]
    assert said == sorted(said, reverse=True)


def test_expected_is_the_product_and_the_exact_form() -> None:
    offline = Counts(right=4, wrong=1, missed=1)
    found = expected(offline, LABELLED, STANDING)
    assert found["blocking_recall"] == 0.8
    assert found["offline_f1_x_recall"] == pytest.approx(0.8 * 0.8)
    # precision 0.8, recall 0.8 x 0.8
    assert found["f1_of_precision_and_recall_x_recall"] == pytest.approx(2 * 0.8 * 0.64 / 1.44, abs=1e-4)


def test_each_standing_match_is_in_one_group() -> None:
    known = {pair for pair, is_match in LABELLED.items() if is_match}
    groups = standing_matches(STANDING, LABELLED, known | {"abt:8#buy:8"}, known)
    assert groups == {
        "known_match": 1, "labelled_no_match": 1, "unlabelled_true": 1, "unlabelled_other": 1, "same_seller": 1,
    }  # fmt: skip
    assert sum(groups.values()) == len(matches_of(STANDING))


def test_sides_compare_answers_and_not_verdicts() -> None:
    offline = {FOUND, REFUSED, DOUBTFUL, CONTRADICTED}
    assert sides(LABELLED, offline, STANDING, 0.5, "abt") == {
        "same_side": 4, "same_side_differ": 1, "other_side": 1, "other_side_differ": 1,
    }  # fmt: skip
