"""The sentence of a rationale: forced frame, two quotes that the student chooses greedily under the grammar.

Forced tokens cost no step of their own: they go through the graph together with the next one that is asked for.
What the student is asked is only where a quote starts and at which word's end it stops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.grammar import Frame
from worker.student.quotes import Quote, runs_of
from worker.student.session import Past, Session
from worker.student.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Sentence:
    """A finished sentence and its quotes, each a substring of its listing."""

    text: str
    quote_a: str
    quote_b: str


class _Decoder:
    """Greedy decoding of one sequence; tokens wait until a choice needs their logits."""

    def __init__(self, session: Session, past: Past, ids: list[int]) -> None:
        self._session = session
        self._past = past
        self._waiting = list(ids)

    def push(self, ids: list[int]) -> None:
        self._waiting.extend(ids)

    def choose(self, options: list[int]) -> int:
        """The likeliest of `options` to come next; a tie goes to the first. One option is not asked about."""
        if len(options) == 1:
            return options[0]
        logits, self._past = self._session.extend(self._waiting, self._past)
        self._waiting = []
        return options[int(np.argmax(logits[options]))]

    def quote(self, tokens: Tokens, listing: str, closing: int) -> str:
        """Choose a quote of `listing`; `closing` is the token that ends it, which is not pushed here."""
        quote = Quote(tuple(runs_of(listing, tokens.pieces)))
        while True:
            forced, quote = quote.forced()
            self.push(forced)
            options = [*quote.continuations(), *([closing] if quote.may_close() else [])]
            chosen = self.choose(options)
            if chosen == closing and quote.may_close():
                return quote.text()
            quote = quote.add(chosen)
            self.push([chosen])


def write(
    session: Session, tokens: Tokens, past: Past, ids: list[int], frame: Frame, listings: tuple[str, str]
) -> Sentence:
    """Write the sentence.

    Args:
        session: the student's graph.
        tokens: its tokenizer.
        past: keys and values of the query's part, batch 1.
        ids: what follows it, up to the last slot's label.
        frame: the forced text, which depends on the rationale.
        listings: the quotable texts of A (the query) and B (the candidate).
    """
    before, _, between, _, after = frame.parts("", "")
    parts = [tokens.encode(text) for text in (before, between, after)]
    decoder = _Decoder(session, past, [*ids, *parts[0]])
    quote_a = decoder.quote(tokens, listings[0], parts[1][0])
    decoder.push(parts[1])
    quote_b = decoder.quote(tokens, listings[1], parts[2][0])
    return Sentence(frame.fill(quote_a, quote_b), quote_a, quote_b)
