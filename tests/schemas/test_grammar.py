from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.grammar import (
    GRAMMAR_HASH,
    MAX_QUOTE_CHARS,
    QUOTE,
    allowed_continuations,
    deciding,
    frame,
    frame_for,
    is_grounded,
)
from schemas.prompt import quotable
from schemas.rationale import ANSWERS, ATTRIBUTES, VERDICTS, Answer, AttributeVerdict, Rationale
from tests.schemas.strategies import offers

# Few letters, so that a quote stands in several places of one listing; some words are longer than a quote may be.
listings = st.lists(
    st.text("ab1-", min_size=1, max_size=6) | st.text("ab", min_size=45, max_size=60), min_size=1, max_size=14
).map(" ".join) | offers().map(quotable).filter(bool)


def verdict(p_same: float, p_different: float) -> AttributeVerdict:
    shares = {"same": p_same, "different": p_different, "unknown": 1 - p_same - p_different}
    best = max(VERDICTS, key=lambda name: shares[name])
    return AttributeVerdict(
        verdict=best, probability=shares[best], p_same=p_same, p_different=p_different, p_unknown=shares["unknown"]
    )


def rationale(answer: Answer, **verdicts: tuple[float, float]) -> Rationale:
    return Rationale.model_validate(
        {"answer": answer, "attributes": {name: verdict(*shares) for name, shares in verdicts.items()}}
    )


def stands_as_words(listing: str, quote: str) -> bool:
    return f" {quote} " in f" {listing} "


@settings(max_examples=50)
@given(listings, st.randoms(use_true_random=False), st.booleans())
def test_every_walk_ends_in_words_of_the_listing(listing: str, random: Random, greedy: bool) -> None:
    """Whatever a student chooses: it can go on or close, and what it has when it closes stands in the listing."""
    quoted = ""
    while True:
        rests, may_close = allowed_continuations(listing, quoted)
        assert quoted in listing
        assert rests or may_close, quoted
        if may_close:
            assert stands_as_words(listing, quoted)
            # Only the last word may pass the limit: a word is not cut, and a listing may hold nothing but a long one.
            assert quoted.rfind(" ") <= MAX_QUOTE_CHARS
        for rest in rests:
            assert rest
            assert quoted + rest in listing
            assert allowed_continuations(listing, quoted + rest)[1]
        if not rests or (may_close and not greedy and random.random() < 0.3):
            break
        chosen = random.choice(rests)
        quoted += chosen[: random.randint(1, len(chosen))]
    assert is_grounded(listing, quoted)


@settings(max_examples=50)
@given(listings)
def test_every_short_run_of_words_may_be_quoted(listing: str) -> None:
    words = listing.split(" ")
    for start in range(len(words)):
        quote = " ".join(words[start : start + 2])
        assert is_grounded(listing, quote)


@settings(max_examples=50)
@given(listings, st.text('ab1- "\n.', max_size=10))
def test_nothing_else_may_be_quoted(listing: str, text: str) -> None:
    assert is_grounded(listing, text) == (bool(text) and text == text.strip(" ") and stands_as_words(listing, text))


def test_what_may_follow() -> None:
    listing = "canon eos 7d canon eos 5d"
    assert allowed_continuations(listing, "canon eos ") == (["7d canon eos 5d", "5d"], False)
    assert allowed_continuations(listing, "canon") == ([" eos 7d canon eos 5d", " eos 5d"], True)
    assert allowed_continuations(listing, "eos 5d") == ([], True)
    assert allowed_continuations(listing, "os") == ([], False)
    assert allowed_continuations(listing, "nikon") == ([], False)
    assert allowed_continuations("", "") == ([], False)


def test_a_quote_ends_within_its_limit() -> None:
    listing = " ".join(["abcdefg"] * 20)
    rests, may_close = allowed_continuations(listing, "")
    assert not may_close
    assert max(map(len, rests)) == 47
    assert allowed_continuations(listing, rests[0]) == ([], True)


def test_a_longer_word_is_quoted_whole() -> None:
    word = "x" * 60
    assert allowed_continuations(word, "") == ([word], False)
    assert allowed_continuations(f"{word} y", word) == ([], True)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_a_frame_opens_and_closes_both_quotes(answer: str, attribute: str) -> None:
    found = frame_for(answer, attribute)  # type: ignore[arg-type]
    sentence = found.fill("canon eos", "nikon d90")
    assert sentence.count(QUOTE) == 4
    assert sentence.split(QUOTE)[1::2] == ["canon eos", "nikon d90"]
    assert attribute in sentence
    assert sentence.startswith("The same" if answer == "same" else "Not the same")
    assert "\n" not in sentence


def test_the_parts_make_the_sentence() -> None:
    found = frame_for("different", "variant")
    assert found.fill("pink", "black") == 'Not the same: the variant differs, A says "pink", B says "black".'
    assert "".join(found.parts("pink", "black")) == "\n" + found.fill("pink", "black")
    before, _, between, _, after = found.parts("pink", "black")
    assert (before[-1], between[0], between[-1], after[0]) == (QUOTE,) * 4


def test_the_sentence_is_about_what_decides() -> None:
    parted = rationale("different", brand=(0.9, 0.05), product=(0.1, 0.6), variant=(0.1, 0.8))
    assert deciding(parted) == "variant"
    assert frame(parted) == frame_for("different", "variant")
    # A shared brand explains no match.
    assert deciding(rationale("same", brand=(0.99, 0.0), product=(0.6, 0.1), quantity=(0.5, 0.1))) == "product"
    assert deciding(rationale("same", brand=(0.99, 0.0))) == "product"
    assert deciding(rationale("different")) == "product"


def test_the_grammar_is_the_one_that_students_were_trained_on() -> None:
    """A change here makes every bundle unusable: then raise GRAMMAR_VERSION and train again."""
    assert GRAMMAR_HASH == "2750dcf7822f987e85d0d791da793d1a749cf9eb2f0f6fc07eede85ed8211324"
