from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.grammar import MAX_QUOTE_CHARS, Frame, allowed_continuations, frame_for
from schemas.rationale import ANSWERS, ATTRIBUTES, VERDICTS
from train.rewards import (
    CONSISTENT,
    OUTCOMES,
    RewardConfig,
    Terms,
    brier_score,
    choice_terms,
    excess,
    judge_credit,
    outcome_terms,
    quotes_of,
    sentence_terms,
    total,
)

LISTINGS = ("sony cyber-shot dsc-w120 7.2mp pink camera", 'sony dsc-w170 10mp 2.7" lcd, B says hello')
CONFIG = RewardConfig()
frames = st.builds(frame_for, st.sampled_from(ANSWERS), st.sampled_from(ATTRIBUTES))


@st.composite
def quotes(draw: st.DrawFn, listing: str) -> str:
    """A quote that the grammar admits, of any length that it admits."""
    words = listing.split()
    start = draw(st.integers(0, len(words) - 1))
    return " ".join(words[start : draw(st.integers(start + 1, len(words)))])


def earned(text: str, frame: Frame, *, right: bool = True, judged: float = 0.7, config: RewardConfig = CONFIG) -> float:
    """The rule terms of a text and the judges' part, which is the same for every text: rules alone can differ."""
    return float(total(sentence_terms(quotes_of(text, frame, LISTINGS), right, judged, config), config))


def test_the_outcomes_are_all_there_are_and_a_match_has_no_different_attribute() -> None:
    assert OUTCOMES.shape == (3**5 * 2, 6)
    assert len(np.unique(OUTCOMES, axis=0)) == 486
    contradicting = OUTCOMES[~CONSISTENT]
    assert len(contradicting) == 3**5 - 2**5
    assert all(ANSWERS[row[-1]] == "same" and VERDICTS.index("different") in row[:-1] for row in contradicting)


@given(frames, quotes(LISTINGS[0]), quotes(LISTINGS[1]), st.booleans())
def test_a_sentence_of_the_grammar_is_read_back(frame: Frame, a: str, b: str, right: bool) -> None:
    found = quotes_of(frame.fill(a, b), frame, LISTINGS)
    apart = a != b or frame.before.startswith("The same")
    assert (found is not None) == apart
    if found is not None:
        assert (found.a, found.b) == (a, b)
        assert earned(frame.fill(a, b), frame, right=False) <= CONFIG.form


@given(frames, quotes(LISTINGS[0]), quotes(LISTINGS[1]), st.text(min_size=1), st.booleans())
def test_no_words_added_to_a_sentence_earn_more(frame: Frame, a: str, b: str, more: str, right: bool) -> None:
    text = frame.fill(a, b)
    before = earned(text, frame, right=right)
    for longer in (text + more, more + text, f"{text} {text}", text[: len(text) // 2] + more + text[len(text) // 2 :]):
        assert earned(longer, frame, right=right) <= before


@given(frames, quotes(LISTINGS[0]), quotes(LISTINGS[1]), st.integers(1, 4), st.sampled_from(LISTINGS[0].split()))
def test_no_longer_no_repeated_and_no_empty_quote_earns_more(
    frame: Frame, a: str, b: str, times: int, word: str
) -> None:
    if quotes_of(frame.fill(a, b), frame, LISTINGS) is None:
        return
    before = earned(frame.fill(a, b), frame)
    for other in (f"{a} {word}", " ".join([a] * (times + 1)), f"{a} "):
        assert earned(frame.fill(other, b), frame) <= before
    for nothing in (frame.fill("", b), frame.fill(a, ""), frame.fill("", ""), "", frame.before):
        assert earned(nothing, frame) == 0


@given(st.text(), frames, st.booleans())
def test_a_text_of_no_form_earns_nothing_gated_or_not(text: str, frame: Frame, gating: bool) -> None:
    config = RewardConfig(gating=gating)
    if quotes_of(text, frame, LISTINGS) is None:
        assert earned(text, frame, config=config) == 0


@given(st.integers(1, 400), st.integers(0, 400), st.integers(1, 200))
def test_length_costs_past_the_cap_and_never_pays(length: int, more: int, cap: int) -> None:
    from train.rewards import Quotes

    short, longer = (excess(Quotes("x" * size, ""), cap) for size in (length, length + more))
    assert 0 <= short <= longer
    assert (short == 0) == (length <= cap)


def test_both_quotes_of_the_grammars_length_pass_the_default_cap() -> None:
    assert excess(quotes_of_length(MAX_QUOTE_CHARS), RewardConfig().length_cap) > 0
    assert excess(quotes_of_length(RewardConfig().length_cap // 2), RewardConfig().length_cap) == 0
    assert allowed_continuations("a b", "a")[1]


def quotes_of_length(size: int):  # type: ignore[no-untyped-def]
    from train.rewards import Quotes

    return Quotes("x" * size, "y" * size)


scores = st.lists(st.floats(0, 1), min_size=15, max_size=15).map(lambda values: np.array(values).reshape(1, 5, 3))


@given(scores, st.sampled_from([0, 1]))
def test_judges_are_credited_only_where_form_and_label_are_right(judged: np.ndarray, label: int) -> None:
    terms = outcome_terms(np.array([label]), judge_credit([(ATTRIBUTES, judged)], 1))
    gated, open_ = (total(terms, RewardConfig(gating=gating)) for gating in (True, False))
    rules = total(terms, RewardConfig(judges=0))
    earns = (terms.form * terms.label) == 1
    assert gated[~earns] == pytest.approx(rules[~earns])
    assert gated[earns] == pytest.approx(open_[earns])
    assert (terms.judges >= -1e-12).all()
    assert (terms.judges <= 1 + 1e-12).all()
    # A right and consistent outcome that no judge likes is worth more than any wrong one that they like: the weights.
    assert gated[earns].min() >= gated[(terms.label == 0)].max()


def test_the_credit_is_the_mean_over_judges_of_the_mean_over_their_attributes() -> None:
    one = np.array([[[0.9, 0.2, 0.4], [0.6, 0.1, 0.3]]])
    other = np.array([[[0.5, 0.3, 0.2]]])
    credit = judge_credit([(("brand", "product"), one), (("product",), other)], 1)
    said = np.array([0, 1, 2, 2, 2, 1])
    place = int((said == OUTCOMES).all(axis=1).argmax())
    judges = outcome_terms(np.array([0]), credit).judges[0, place]
    assert judges == pytest.approx(((0.9 + 0.1) / 2 + 0.3) / 2)
    with pytest.raises(ValueError, match="at least one attribute"):
        judge_credit([((), one[:, :0])], 1)


@given(scores, st.sampled_from([0, 1]), st.lists(st.sampled_from([0, 1, 2]), min_size=5, max_size=5), st.booleans())
def test_what_is_written_in_turn_earns_what_the_slots_earn(
    judged: np.ndarray,
    label: int,
    verdicts: list[int],
    match: bool,
) -> None:
    credit = judge_credit([(ATTRIBUTES, judged)], 1)
    said = [*verdicts, int(not match)]
    written = choice_terms(said, label, credit[0])
    place = int((np.array(said) == OUTCOMES).all(axis=1).argmax())
    slots = total(outcome_terms(np.array([label]), credit), CONFIG)[0, place]
    assert float(total(written, CONFIG)) == pytest.approx(slots)
    broken = choice_terms([None, *said[1:]], label, credit[0])
    assert float(total(broken, CONFIG)) == 0


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_score_of_the_answer_is_proper(said: float, true: float) -> None:
    def mean(p: float) -> float:
        return float(true * brier_score(p, 1) + (1 - true) * brier_score(p, 0))

    assert mean(said) <= mean(true) + 1e-12


def test_every_term_stands_for_itself() -> None:
    terms = Terms(*(np.array(value) for value in (1.0, 1.0, 0.5, -0.2)))
    assert set(terms.named()) == {"form", "label", "judges", "length"}
    config = RewardConfig(form=0.1, label=2, judges=3, length=4)
    assert float(total(terms, config)) == pytest.approx(0.1 + 2 + 1.5 - 0.8)
