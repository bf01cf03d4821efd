"""Preferences: equal labels, one thing changed, kinds apart."""

from __future__ import annotations

import pytest

from schemas.prompt import quotable
from tests.train.judges.made import bases, cases
from train.judges.corruptions import KINDS, kinds_of, preferences, quote_of
from train.judges.interface import JUDGE_ATTRIBUTES, JUDGE_NAMES, JudgeName
from train.judges.rules import broken_quotes
from train.judges.tampering import tamper
from train.pairs.wordlists import TRAINING


@pytest.mark.parametrize("name", JUDGE_NAMES)
def test_both_sides_differ_in_one_thing_only(name: JudgeName) -> None:
    for case in cases(name):
        right, wrong = case.right, case.wrong
        assert right.attribute == wrong.attribute
        assert right.attribute in JUDGE_ATTRIBUTES[name]
        listings = (right.left, right.right) != (wrong.left, wrong.right)
        quotes = (right.quote_left, right.quote_right) != (wrong.quote_left, wrong.quote_right)
        # A moved claim keeps its verdict and its (absent) quotes; any other keeps its listings.
        assert listings + quotes + (right.verdict != wrong.verdict) == 1, case


@pytest.mark.parametrize("name", JUDGE_NAMES)
def test_the_label_is_that_of_both_pairs(name: JudgeName) -> None:
    """A pair whose attribute was made to differ is a non-match, and no case mixes it with the match it came from."""
    originals = {(quotable(b.left), quotable(b.right)): b.label for b in bases(200, 240)}
    for case in cases(name):
        for claim in (case.right, case.wrong):
            known = originals.get((quotable(claim.left), quotable(claim.right)))
            if known is not None and not claim.left.gtin:
                assert known == case.label, case
        if case.right.verdict == "different":
            assert case.label == 0, case


@pytest.mark.parametrize("name", JUDGE_NAMES)
def test_every_kind_is_made_and_none_is_both_seen_and_unseen(name: JudgeName) -> None:
    made = {case.kind for case in cases(name)}
    assert made == {kind.name for kind in kinds_of(name)}
    assert not {k.name for k in kinds_of(name, True)} & {k.name for k in kinds_of(name, False)}
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_right_quotes_break_no_rule_and_wrong_sides_do() -> None:
    found = [case for name in JUDGE_NAMES for case in cases(name)]
    assert any(case.right.quote_left for case in found)
    assert not [case for case in found if broken_quotes(case.right)]
    wrong = [case for case in found if case.kind == "wrong-side"]
    assert wrong
    assert all("wrong side" in broken_quotes(case.wrong) for case in wrong)


def test_a_case_depends_on_the_seed_alone() -> None:
    kinds = kinds_of("core_identity")
    one, two, other = (
        preferences("core_identity", kinds, bases(0, 20), 5, seed=s, evaluation=False) for s in (1, 1, 2)
    )
    assert one == two != other


def test_a_quote_is_about_its_attribute() -> None:
    left = bases(0, 8)[2].left  # product 1: white, 32gb
    assert quote_of(left, "brand") == "canon"
    assert "dx-4107" in quote_of(left, "product")
    assert quote_of(left, "variant") == "white"
    assert "32" in quote_of(left, "specification")
    assert quote_of(left, "quantity") == ""


def test_an_unknown_change_is_named() -> None:
    import random

    base = bases(0, 1)[0]
    with pytest.raises(ValueError, match=r"'smell'.*near-code"):
        tamper("smell", base.left, base.right, random.Random(1), TRAINING)
