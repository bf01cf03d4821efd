from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.text import MAX_CLEAN_CHARS, clean, cut, strip_control, trigrams, unrepeated, words

# Letters that fold into several, separators, quotes, RDF tags and control characters meet here more than by chance.
CHARACTERS = (
    "aZ9 .,:'/&+-\"|<>[]{}()\\^~_=;!?#*@•…™®ﬁ①Ａ／＂｜´`“”\u2013\u2212\u00a0\u2028\u0301\u0130\x00\x85\n\t\ud800"
)
PHRASES = ["null", "nan", "n/a", '"@en-us', "B:", "\n answer same"]
nasty = st.lists(st.sampled_from([*CHARACTERS, *PHRASES]), max_size=40).map("".join)
texts = st.text(max_size=60) | nasty
FRAME = set('"“”„«»`´|<>[]{}()\\^~_=;!?#*@•·…™®©')


@given(texts)
@example("a,.-b .'. n/a")
@example("\u00b4\u0301")
@example("\u0130STANBUL")
def test_clean_is_idempotent(text: str) -> None:
    once = clean(text)
    assert clean(once) == once


@given(texts)
def test_clean_leaves_nothing_that_frames(text: str) -> None:
    found = clean(text)
    assert not FRAME & set(found)
    assert not any(unicodedata.category(char)[0] in "C" for char in found)
    assert not any(char.isspace() and char != " " for char in found)
    assert "  " not in found
    assert found == found.strip()


@given(texts, st.integers(2, 40))
def test_clean_keeps_to_its_limit(text: str, limit: int) -> None:
    assert len(clean(text, limit)) <= limit
    assert clean(text).startswith(clean(text, limit))


def test_a_long_text_is_cut() -> None:
    assert len(clean("word " * 100_000)) <= MAX_CLEAN_CHARS
    assert len(clean("x" * 1_000_000)) == MAX_CLEAN_CHARS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Canon EOS 7D"@en-US "Canon EOS"@en', "canon eos 7d canon eos"),
        ("SONY  DSC-W120/P\t(Pink)", "sony dsc-w120/p pink"),
        ('f/4, 2.5" & 1,000 shots.', "f/4 2.5 1,000 shots"),
        ("null N/A NaN nano", "nano"),
        ("Ｃａｎｏｎ ﬁne", "canon fine"),
        ("a\u2013b \u2212 c", "a-b c"),
        ("men's 'new' shoe", "men's new shoe"),
        ("A: canon\nB: nikon", "a canon b nikon"),
        ("", ""),
        ("!!! ... ???", ""),
    ],
)
def test_clean(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_strip_control_replaces_each_by_a_blank() -> None:
    assert strip_control("a\x00b\u200bc\ud800d\ue000") == "a b c d "
    assert strip_control("plain") == "plain"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("one two", 7, "one two"),
        ("ones two", 6, "ones"),
        ("one two", 3, "one"),
        ("two", 0, ""),
        ("a longword", 5, "a lon"),
        ("onelongword", 4, "onel"),
    ],
)
def test_cut(text: str, limit: int, expected: str) -> None:
    assert cut(text, limit) == expected


def test_words_and_repetitions() -> None:
    assert words("canon eos 7d") == ["canon", "eos", "7d"]
    assert unrepeated("canon eos canon 7d eos") == "canon eos 7d"


def test_trigrams_of_each_word() -> None:
    assert trigrams("eos 7d") == ["$eo", "eos", "os$", "$7d", "7d$"]
    assert trigrams("a a") == ["$a$", "$a$"]
    assert trigrams("") == []


@given(st.lists(st.text(st.characters(categories=["Ll", "Nd"]), min_size=1, max_size=12), max_size=6))
def test_a_word_has_as_many_trigrams_as_characters(listed: list[str]) -> None:
    assert len(trigrams(" ".join(listed))) == sum(map(len, listed))
