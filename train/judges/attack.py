"""How far a search over wordings can raise the score of a wrong claim. What is claimed stays wrong all the time.

Three surfaces. ``quotes``: any pieces of the two listings that the grammar admits, which is all that a student under
the grammar can choose. ``free quotes``: any text (promotion, paraphrase, repetition, injected instructions), which
rules refuse, so it shows what a judge would do without them. ``listings``: texts that say nothing of the product, put
around title or description by a seller. A beam search goes over moves for some rounds and keeps the best.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from schemas.grammar import MAX_QUOTE_CHARS
from schemas.offer import Offer
from schemas.prompt import quotable
from train.evaluation.suites.injections import INJECTIONS
from train.judges.claims import Claim
from train.judges.interface import Judge
from train.judges.rules import broken_quotes
from train.pairs.wordlists import EVALUATION

Surface = Literal["quotes", "free quotes", "listings"]
SURFACES: tuple[Surface, ...] = get_args(Surface)
_TEXTS = tuple(text for texts in INJECTIONS.values() for text in texts)
_PARAPHRASES = ("both state it", "identical", "matches exactly", "clearly equal", "not equal at all", "see above")


@dataclass(frozen=True)
class Attacked:
    """Scores of one wrong claim before and after, and what it was turned into."""

    before: float
    after: float
    found: Claim


@dataclass(frozen=True)
class Gain:
    """What a search achieved over many wrong claims on one surface.

    ``rise`` is the mean rise of the score, ``worst`` the largest. ``crossed`` is the share of the claims that were
    rejected before (``rejected`` of them) and are accepted after.
    """

    surface: Surface
    claims: int
    rise: float
    worst: float
    rejected: int
    crossed: float


def _pieces(text: str, rng: random.Random, number: int) -> list[str]:
    words = text.split()
    found = []
    for _ in range(number):
        start = rng.randrange(len(words)) if words else 0
        piece = " ".join(words[start : start + rng.choice((1, 1, 2, 3))])
        if piece and len(piece) <= MAX_QUOTE_CHARS:
            found.append(piece)
    return found


def _quote_moves(claim: Claim, rng: random.Random, number: int) -> Iterator[Claim]:
    lefts = [*_pieces(quotable(claim.left), rng, number), claim.quote_left]
    rights = [*_pieces(quotable(claim.right), rng, number), claim.quote_right]
    yield replace(claim, quote_left="", quote_right="")
    shared = [word for word in quotable(claim.left).split() if word in quotable(claim.right).split()]
    for _ in range(number):
        if shared and rng.random() < 0.4:
            word = rng.choice(shared)
            made = replace(claim, quote_left=word, quote_right=word)
        else:
            made = replace(claim, quote_left=rng.choice(lefts), quote_right=rng.choice(rights))
        if not broken_quotes(made):
            yield made


def _free_moves(claim: Claim, rng: random.Random, number: int) -> Iterator[Claim]:
    for _ in range(number):
        own = rng.choice((claim.quote_left, *_pieces(quotable(claim.left), rng, 1), claim.attribute))
        extra = rng.choice((rng.choice(EVALUATION.promotions), rng.choice(_TEXTS), rng.choice(_PARAPHRASES), own))
        text = rng.choice((f"{own} {extra}", f"{extra} {own}", " ".join([own] * 4), extra)).strip()
        sides = rng.choice(((text, text), (text, claim.quote_right or own), (claim.quote_left or own, text)))
        yield replace(claim, quote_left=sides[0], quote_right=sides[1])


def _worded(offer: Offer, text: str, rng: random.Random) -> Offer:
    place = rng.randrange(3)
    if place == 0:
        return offer.model_copy(update={"title": f"{offer.title} {text}"[:2_000]})
    if place == 1:
        return offer.model_copy(update={"title": f"{text} {offer.title}"[:2_000]})
    return offer.model_copy(update={"description": f"{text} {offer.description or ''}".strip()})


def _listing_moves(claim: Claim, rng: random.Random, number: int) -> Iterator[Claim]:
    # No tags, colours, sizes or numbers: what is added must state nothing that the claim could be about.
    for _ in range(number):
        text = rng.choice((rng.choice(EVALUATION.promotions), rng.choice(_TEXTS), claim.left.title.split()[0]))
        if any(char.isdigit() for char in text):
            continue
        if rng.random() < 0.5:
            yield replace(claim, left=_worded(claim.left, text, rng))
        else:
            yield replace(claim, right=_worded(claim.right, text, rng))


_MOVES: dict[Surface, Callable[[Claim, random.Random, int], Iterator[Claim]]] = {
    "quotes": _quote_moves,
    "free quotes": _free_moves,
    "listings": _listing_moves,
}


def attack(
    judge: Judge,
    claims: Sequence[Claim],
    surface: Surface,
    *,
    seed: int = 0,
    rounds: int = 2,
    beam: int = 2,
    moves: int = 8,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Attacked]:
    """Search each wrong claim for its best wording on one surface; a claim's score never falls by it."""
    before = judge.score(claims)
    beams: list[list[tuple[float, Claim]]] = [[(float(b), claim)] for b, claim in zip(before, claims, strict=True)]
    for turn in range(rounds):
        made: list[tuple[int, Claim]] = []
        for number, kept in enumerate(beams):
            rng = random.Random(f"{seed}:{surface}:{turn}:{number}")
            found = {new.key(): new for _, claim in kept for new in _MOVES[surface](claim, rng, moves)}
            made += [(number, new) for new in found.values()]
        scores = judge.score([claim for _, claim in made])
        for (number, claim), score in zip(made, scores, strict=True):
            beams[number].append((float(score), claim))
        beams = [sorted(kept, key=lambda item: (-item[0], item[1].key()))[:beam] for kept in beams]
        progress(turn + 1)
    return [Attacked(float(b), kept[0][0], kept[0][1]) for b, kept in zip(before, beams, strict=True)]


def gain(surface: Surface, attacked: Sequence[Attacked], threshold: float) -> Gain:
    """What the search achieved; ``threshold`` is where a claim counts as accepted."""
    before = np.array([each.before for each in attacked])
    after = np.array([each.after for each in attacked])
    rejected = before < threshold
    crossed = float((after[rejected] >= threshold).mean()) if rejected.any() else 0.0
    rise = after - before
    return Gain(
        surface, len(attacked), float(rise.mean()), float(rise.max(initial=0.0)), int(rejected.sum()), crossed
    )  # fmt: skip
