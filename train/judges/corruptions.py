"""Preferences: a right claim against a minimally corrupted one, the gold label of both pairs being equal.

Four forms. *Denied*: the same two listings, the verdict turned. *Moved*: the verdict stays and the listings change,
once in the attribute that it is about and once in another, so that both pairs are non-matches. *Withheld*: the verdict
``unknown`` although both state it; *asserted*: ``different`` although neither does. *Misquoted*: a right verdict with
quotes from the wrong side, of words that state nothing, or of another attribute. As both sides have one label, a judge
that guesses the answer and agrees with it gains nothing. Kinds are seen in training or not; a kind is never both.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from schemas.grammar import is_grounded
from schemas.identifiers import codes, measures
from schemas.offer import Offer
from schemas.prompt import quotable
from schemas.rationale import Attribute, Verdict
from schemas.stated import COLOURS, PACK
from train.judges.claims import Claim
from train.judges.facts import EDITION_WORDS, state, stated
from train.judges.interface import JUDGE_ATTRIBUTES, JudgeName
from train.judges.material import Base
from train.judges.tampering import Tampered, tamper
from train.pairs.mixture import made_up_gtin
from train.pairs.wordlists import EVALUATION, TRAINING, WELL_KNOWN_BRANDS, WordList

# Slots are judged without quotes, sentences with them.
QUOTED_SHARE = 0.4


@dataclass(frozen=True)
class Preference:
    """Two claims of which the first is right and the second is not. ``label`` is that of both pairs."""

    kind: str
    right: Claim
    wrong: Claim
    label: int
    group: str
    origin: str


@dataclass(frozen=True)
class Kind:
    """A kind of corruption. ``make`` gives None where a base does not offer it."""

    name: str
    attributes: tuple[Attribute, ...]
    seen: bool
    make: Callable[[Base, Attribute, random.Random, WordList], Preference | None]


# Which changes of a listing bear on an attribute.
SEEN_CHANGES: dict[Attribute, str] = {
    "brand": "brand",
    "product": "model",
    "specification": "capacity",
    "variant": "colour",
    "quantity": "pack",
}
UNSEEN_CHANGES: dict[str, Attribute] = {
    "brand-synonym": "brand",
    "near-code": "product",
    "off-by-one": "specification",
    "unit": "specification",
    "edition": "variant",
    "colour-language": "variant",
    "pack-off-by-one": "quantity",
    "pack-words": "quantity",
}


def quote_of(offer: Offer, attribute: Attribute) -> str:
    """A quote about an attribute that the grammar admits for the listing; "" where the listing has none."""
    text = quotable(offer)
    words = text.split()
    found: Iterable[str]
    if attribute == "brand":
        found = sorted(stated(offer).values["brand"])
    elif attribute == "product":
        found = [*(word for word in words if codes(word)), " ".join(words[:3])]
    elif attribute == "variant":
        found = [word for word in words if word in COLOURS or word in EDITION_WORDS]
    elif attribute == "specification":
        pieces = [*words, *(" ".join(two) for two in pairwise(words))]
        found = [piece for piece in pieces if any(not each.replace(".", "").isdigit() for each in measures(piece))]
    else:
        found = [match[0] for match in PACK.finditer(text)]
    return next((quote for quote in found if len(quote) <= 48 and is_grounded(text, quote)), "")


def with_quotes(claim: Claim, rng: random.Random) -> Claim:
    """The claim with its own quotes, in a share of the claims whose listings have them on both sides."""
    if rng.random() >= QUOTED_SHARE:
        return claim
    quotes = quote_of(claim.left, claim.attribute), quote_of(claim.right, claim.attribute)
    return replace(claim, quote_left=quotes[0], quote_right=quotes[1]) if all(quotes) else claim


def turned(verdict: Verdict) -> Verdict:
    """The other of ``same`` and ``different``."""
    return "same" if verdict == "different" else "different"


def _preference(kind: str, base: Base, label: int, right: Claim, wrong: Claim) -> Preference:
    return Preference(kind, right, wrong, label, base.group, base.origin)


def _denied(base: Base, attribute: Attribute, rng: random.Random, words: WordList) -> Preference | None:
    found = state(base.left, base.right, attribute)
    # A match is of one product, also where no code says so.
    if base.label != 1 or not (found == "agree" or (attribute == "product" and found != "conflict")):
        return None
    right = with_quotes(Claim(base.left, base.right, attribute, "same"), rng)
    return _preference("denied", base, 1, right, replace(right, verdict="different"))


def _withheld(base: Base, attribute: Attribute, rng: random.Random, words: WordList) -> Preference | None:
    if base.label != 1 or state(base.left, base.right, attribute) != "agree":
        return None
    left, right, label, verdict = base.left, base.right, 1, "same"
    done = tamper(SEEN_CHANGES[attribute], left, right, rng, words) if rng.random() < 0.5 else None
    if done is not None and not done.same:
        left, right, label, verdict = done.left, done.right, 0, "different"
    claim = with_quotes(Claim(left, right, attribute, "same" if verdict == "same" else "different"), rng)
    return _preference("withheld", base, label, claim, replace(claim, verdict="unknown"))


def _asserted(base: Base, attribute: Attribute, rng: random.Random, words: WordList) -> Preference | None:
    if base.label != 1 or state(base.left, base.right, attribute) != "silent":
        return None
    right = Claim(base.left, base.right, attribute, "unknown")
    return _preference("asserted", base, 1, right, replace(right, verdict="different"))


def _gtin(base: Base, attribute: Attribute, rng: random.Random, words: WordList) -> Preference | None:
    """Both sides have a GTIN: equal ones of a match, unequal ones where the model number differs, too."""
    if base.label != 1 or base.left.gtin or base.right.gtin:
        return None
    left, right, label = base.left, base.right, 1
    first = second = made_up_gtin(f"{base.group}:{rng.random()}")
    if rng.random() < 0.5:
        done = tamper("model", left, right, rng, words)
        if done is None or done.same:
            return None
        left, right, label, second = done.left, done.right, 0, made_up_gtin(f"other:{base.group}:{rng.random()}")
    left, right = left.model_copy(update={"gtin": first}), right.model_copy(update={"gtin": second})
    claim = Claim(left, right, attribute, "same" if label else "different")
    return _preference("gtin", base, label, claim, replace(claim, verdict=turned(claim.verdict)))


def _other_product(base: Base, attribute: Attribute, rng: random.Random, words: WordList) -> Preference | None:
    """Two real products with much the same words and no common code."""
    if base.label != 0:
        return None
    right = with_quotes(Claim(base.left, base.right, attribute, "different"), rng)
    return _preference("other-product", base, 0, right, replace(right, verdict="same"))


def _wrong_side(base: Base, attribute: Attribute, rng: random.Random, words: WordList) -> Preference | None:
    """Each quote stands in the other listing only: rules see it, and a judge must not fall behind them."""
    found = _changed_or_base(base, attribute, rng, words)
    if found is None:
        return None
    claim, label = found
    quotes = quote_of(claim.left, attribute), quote_of(claim.right, attribute)
    if not all(quotes) or is_grounded(quotable(claim.right), quotes[0]) or is_grounded(quotable(claim.left), quotes[1]):
        return None
    right = replace(claim, quote_left=quotes[0], quote_right=quotes[1])
    return _preference(
        "wrong-side", base, label, right, replace(right, quote_left=quotes[1], quote_right=quotes[0])
    )  # fmt: skip


def _other_attribute(base: Base, attribute: Attribute, rng: random.Random, words: WordList) -> Preference | None:
    """Grounded quotes, but of another attribute than the one that the verdict is about."""
    found = _changed_or_base(base, attribute, rng, words)
    if found is None:
        return None
    claim, label = found
    own = quote_of(claim.left, attribute), quote_of(claim.right, attribute)
    others = [name for name in SEEN_CHANGES if name != attribute]
    rng.shuffle(others)
    for name in others:
        quotes = quote_of(claim.left, name), quote_of(claim.right, name)
        if all(own) and all(quotes) and not any(a in b or b in a for a in own for b in quotes):
            right = replace(claim, quote_left=own[0], quote_right=own[1])
            wrong = replace(claim, quote_left=quotes[0], quote_right=quotes[1])
            return _preference("other-attribute", base, label, right, wrong)
    return None


def _stray_quote(base: Base, attribute: Attribute, rng: random.Random, words: WordList) -> Preference | None:
    """Grounded quotes of words that state no attribute at all."""
    found = _changed_or_base(base, attribute, rng, words)
    if found is None:
        return None
    claim, label = found
    own = quote_of(claim.left, attribute), quote_of(claim.right, attribute)
    stray = tuple(_stray(offer, quote, rng) for offer, quote in zip((claim.left, claim.right), own, strict=True))
    if not all(own) or not all(stray):
        return None
    right = replace(claim, quote_left=own[0], quote_right=own[1])
    return _preference("stray-quote", base, label, right, replace(claim, quote_left=stray[0], quote_right=stray[1]))


def _stray(offer: Offer, own: str, rng: random.Random) -> str:
    """One or two neighbouring words of the listing that name no brand, code, number, colour or edition; or ""."""
    text = quotable(offer)
    taken = set(own.split()) | {word for brand in stated(offer).values["brand"] for word in brand.split()}
    plain = [
        word.isalpha() and word not in taken | COLOURS | EDITION_WORDS | WELL_KNOWN_BRANDS for word in text.split()
    ]
    listed = text.split()
    pieces = [word for word, good in zip(listed, plain, strict=True) if good]
    pieces += [" ".join(two) for two, good in zip(pairwise(listed), pairwise(plain), strict=True) if all(good)]
    rng.shuffle(pieces)
    return next((piece for piece in pieces if len(piece) <= 48 and is_grounded(text, piece)), "")


def _changed_or_base(base: Base, attribute: Attribute, rng: random.Random, words: WordList) -> tuple[Claim, int] | None:
    if base.label != 1:
        return None
    if rng.random() < 0.6:
        done = tamper(SEEN_CHANGES[attribute], base.left, base.right, rng, words)
        if done is not None:
            return Claim(done.left, done.right, attribute, "same" if done.same else "different"), int(done.same)
    if state(base.left, base.right, attribute) != "agree":
        return None
    return Claim(base.left, base.right, attribute, "same"), 1


def _changing(name: str) -> Callable[[Base, Attribute, random.Random, WordList], Preference | None]:
    """Corruptions by a change of a listing: the verdict denied on it, or moved between it and another change."""

    def make(base: Base, attribute: Attribute, rng: random.Random, words: WordList) -> Preference | None:
        if base.label != 1 or state(base.left, base.right, attribute) == "conflict":
            return None
        done = tamper(name, base.left, base.right, rng, words)
        if done is None or done.attribute != attribute:
            return None
        moved = _moved(base, done, rng, words) if not done.same and rng.random() < 0.4 else None
        if moved is not None:
            right, wrong = moved
            return _preference(name, base, 0, right, wrong)
        claim = with_quotes(Claim(done.left, done.right, attribute, "same" if done.same else "different"), rng)
        return _preference(name, base, int(done.same), claim, replace(claim, verdict=turned(claim.verdict)))

    return make


def _moved(base: Base, done: Tampered, rng: random.Random, words: WordList) -> tuple[Claim, Claim] | None:
    """Both pairs are non-matches: one by the change at hand, the other by a change of another attribute."""
    attribute = done.attribute
    if state(base.left, base.right, attribute) != "agree" and attribute != "product":
        return None
    others = [name for about, name in SEEN_CHANGES.items() if about != attribute]
    rng.shuffle(others)
    for name in others:
        other = tamper(name, base.left, base.right, rng, words)
        if other is None or other.same or state(other.left, other.right, attribute) == "conflict":
            continue
        here = Claim(done.left, done.right, attribute, "different")
        there = Claim(other.left, other.right, attribute, "different")
        if rng.random() < 0.5:
            return here, there
        return replace(there, verdict="same"), replace(here, verdict="same")
    return None


_ALL: tuple[Attribute, ...] = tuple(SEEN_CHANGES)
KINDS: tuple[Kind, ...] = (
    Kind("denied", _ALL, True, _denied),
    Kind("withheld", _ALL, True, _withheld),
    Kind("asserted", ("specification", "variant", "quantity"), True, _asserted),
    Kind("wrong-side", _ALL, True, _wrong_side),
    Kind("stray-quote", _ALL, True, _stray_quote),
    Kind("gtin", ("product",), True, _gtin),
    *(Kind(name, (attribute,), True, _changing(name)) for attribute, name in SEEN_CHANGES.items()),
    Kind("other-product", ("product",), False, _other_product),
    Kind("other-attribute", _ALL, False, _other_attribute),
    *(Kind(name, (attribute,), False, _changing(name)) for name, attribute in UNSEEN_CHANGES.items()),
)
SEEN = frozenset(kind.name for kind in KINDS if kind.seen)


def kinds_of(judge: JudgeName, seen: bool | None = None) -> list[Kind]:
    """The kinds that a judge is asked about."""
    mine = set(JUDGE_ATTRIBUTES[judge])
    return [kind for kind in KINDS if mine & set(kind.attributes) and seen in (None, kind.seen)]


def preferences(
    judge: JudgeName, kinds: Sequence[Kind], bases: Sequence[Base], per_kind: int, *, seed: int, evaluation: bool
) -> list[Preference]:
    """At most so many preferences of each kind, spread over products, in a fixed order.

    Args:
        judge: whose attributes are asked about.
        kinds: which corruptions.
        bases: the pairs to corrupt.
        per_kind: the most of each.
        seed: of every choice.
        evaluation: whether the words put in are those kept for measuring (:mod:`train.pairs.wordlists`).
    """
    words = EVALUATION if evaluation else TRAINING
    mine = JUDGE_ATTRIBUTES[judge]
    found: list[Preference] = []
    for kind in kinds:
        rng = random.Random(f"{seed}:{judge}:{kind.name}")
        attributes = [name for name in mine if name in kind.attributes]
        waiting = [(base, attribute) for base in bases for attribute in attributes]
        by_group: dict[str, list[tuple[Base, Attribute]]] = defaultdict(list)
        rng.shuffle(waiting)
        for base, attribute in waiting:
            by_group[base.group].append((base, attribute))
        made: list[Preference] = []
        # One of each product in turn, so that no product fills a kind.
        rounds = max(map(len, by_group.values()), default=0)
        for turn in range(rounds):
            for group in by_group.values():
                if turn < len(group) and len(made) < per_kind:
                    base, attribute = group[turn]
                    case = kind.make(base, attribute, random.Random(f"{seed}:{kind.name}:{turn}:{base.group}"), words)
                    if case is not None:
                        made.append(case)
        found += made
    return found
