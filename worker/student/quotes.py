"""Where the tokens of a quote may go: the grammar of `schemas.grammar`, over token ids. Pure.

A quote is tokenised by itself in training, and words are tokenised without regard to what follows them. So the
tokens of a quote are a run of the tokens of some rest of the listing, from a word's start to a word's end. Decoding
walks these runs: inside a word there is nothing to choose, at a word's end the student goes on or closes the quote.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.grammar import allowed_continuations
from worker.student.tokens import Piece


@dataclass(frozen=True, slots=True)
class Run:
    """One rest of the listing as tokens, and after which of them a word ends."""

    raw: bytes
    ids: tuple[int, ...]
    ends: tuple[int, ...]  # of each token, in bytes
    word_ends: frozenset[int]  # numbers of tokens after which the text so far ends with a whole word


def runs_of(listing: str, pieces: Callable[[str], list[Piece]]) -> list[Run]:
    """The runs that a quote of `listing` may be a beginning of; empty for a listing without a word."""
    runs: list[Run] = []
    for rest in allowed_continuations(listing, "")[0]:
        raw = rest.encode()
        found = pieces(rest)
        ends = tuple(piece.end for piece in found)
        words = frozenset(
            count
            for count, end in enumerate(ends, 1)
            # A lone blank is a token before a digit: a quote may not close on it.
            if raw[end : end + 1] in (b"", b" ") and raw[end - 1 : end] != b" "
        )
        runs.append(Run(raw, tuple(piece.id for piece in found), ends, words))
    return runs


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote under way: the runs that begin with its tokens, and how many tokens it has."""

    runs: tuple[Run, ...]
    length: int = 0

    def may_close(self) -> bool:
        return (self.length == 0 and not self.runs) or any(self.length in run.word_ends for run in self.runs)

    def text(self) -> str:
        """The quote so far; whole characters only, as it ends at a word's end."""
        if not self.runs or not self.length:
            return ""
        run = self.runs[0]
        return run.raw[: run.ends[self.length - 1]].decode()

    def continuations(self) -> list[int]:
        """Ids that may follow, each once, in the order of the listing."""
        return list(dict.fromkeys(run.ids[self.length] for run in self.runs if self.length < len(run.ids)))

    def add(self, token: int) -> Quote:
        """The quote with one more token, which must be one of `continuations`."""
        kept = tuple(run for run in self.runs if self.length < len(run.ids) and run.ids[self.length] == token)
        return Quote(kept, self.length + 1)

    def forced(self) -> tuple[list[int], Quote]:
        """The tokens that follow without a choice, and the quote after them."""
        ids: list[int] = []
        quote = self
        while not quote.may_close() and len(following := quote.continuations()) == 1:
            ids.append(following[0])
            quote = quote.add(following[0])
        return ids, quote
