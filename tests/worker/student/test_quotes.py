"""The grammar over tokens: what decoding can write is what the grammar admits, and all of it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from schemas.grammar import MAX_QUOTE_CHARS, is_grounded
from worker.student.quotes import Quote, runs_of
from worker.student.tokens import Piece

WORD = st.text("ab1é你-", min_size=1, max_size=9)
LISTING = st.lists(WORD, max_size=12).map(" ".join)


def pieces(text: str) -> list[Piece]:
    """A byte-level tokenizer in small: a blank goes with the letter behind it, digits stand alone, bytes of a character
    may be apart."""
    found: list[Piece] = []
    at = 0
    for part in re.findall(rb" ?[ab]{1,2}|.", text.encode(), re.DOTALL):
        at += len(part)
        found.append(Piece(int.from_bytes(part, "big"), at))
    return found


def finished(quote: Quote) -> set[str]:
    """Every quote that can still be written from here."""
    texts = {quote.text()} if quote.may_close() else set()
    for token in quote.continuations():
        texts |= finished(quote.add(token))
    return texts


@given(LISTING)
def test_all_walks_end_in_grounded_quotes(listing: str) -> None:
    texts = finished(Quote(tuple(runs_of(listing, pieces))))
    if not listing:
        assert texts == {""}
        return
    assert all(is_grounded(listing, text) for text in texts)
    words = listing.split(" ")
    assert {word for word in words if len(word) <= MAX_QUOTE_CHARS} <= texts
    assert not listing[MAX_QUOTE_CHARS:] or listing not in texts


@given(LISTING)
def test_no_walk_is_stuck(listing: str) -> None:
    waiting = [Quote(tuple(runs_of(listing, pieces)))]
    while waiting:
        quote = waiting.pop()
        assert quote.may_close() or quote.continuations()
        waiting.extend(quote.add(token) for token in quote.continuations())


def test_inside_a_word_nothing_is_chosen() -> None:
    quote = Quote(tuple(runs_of("dsc aaaaaa aab", pieces)))
    first = quote.continuations()
    assert len(first) == 2  # "d" or "aa": both words with "a" begin alike
    ids, rest = quote.add(first[0]).forced()
    assert (len(ids), rest.text(), rest.may_close()) == (2, "dsc", True)
    assert rest.forced() == ([], rest)


def test_repeated_words_stay_open_until_they_part() -> None:
    quote = Quote(tuple(runs_of("ab 1 ab 2", pieces)))
    (token,) = (token for token in quote.continuations() if token == int.from_bytes(b"ab", "big"))
    after = quote.add(token)
    assert after.may_close()
    assert len(after.runs) == 2
