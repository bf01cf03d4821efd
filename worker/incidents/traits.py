"""What can be said of one decision in words that others can share: its traits.

A trait is a (name, value) pair. Those of `COLUMN_TRAITS` follow from the decision alone, the others from the two
contents that were judged. Pure.
"""

from __future__ import annotations

from itertools import pairwise

from schemas.decision import MatchDecision
from schemas.evidence import by_unit, conflicting_units, identifier_verdict, view
from schemas.identifiers import codes, measures
from schemas.offer import Offer, split_key
from schemas.stated import colours, packs
from schemas.text import clean

Trait = tuple[str, str]

# Ratio of the higher price to the lower one: closer is the same shelf price, beyond another product or another pack.
NEAR, FAR = 1.1, 1.5
_BANDS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.97)


def traits(made: MatchDecision, first: Offer | None, second: Offer | None) -> frozenset[Trait]:
    """All traits of a decision; without both contents (erased, or not kept) those of the decision alone."""
    found = decision_traits(made)
    if first is None or second is None:
        return found | {("contents", "not kept")}
    return found | content_traits(first, second) | sentence_traits(made)


def decision_traits(made: MatchDecision) -> frozenset[Trait]:
    """Which bundle and policy, by whose word, which verdicts, which sellers."""
    sources = sorted(split_key(key)[0] for key in (made.first.key, made.second.key))
    found: set[Trait] = {
        ("bundle", f"{made.bundle.name} {made.bundle.version} ({made.bundle.digest[:12]})"),
        ("policy", made.policy_version),
        ("prompt", made.prompt_version),
        ("deployment", str(made.deployment)),
        ("canary", "yes" if made.canary else "no"),
        ("verdict", made.verdict),
        ("decided by", made.decided_by),
        ("sources", " and ".join(sources)),
        *(("a seller", source) for source in sources),
        *(("reason", reason) for reason in made.reasons),
        ("candidate", _rank(made.candidate_rank)),
    }
    if made.probability is not None:
        found.add(("probability", _band(made.probability)))
    if made.rationale is not None:
        found |= {(str(name), seen.verdict) for name, seen in made.rationale.attributes.items()}
    return frozenset(found)


def content_traits(first: Offer, second: Offer) -> frozenset[Trait]:
    """What the two listings state, and whether they agree in it."""
    views = view(first), view(second)
    texts = [clean(f"{offer.title} {offer.description or ''}") for offer in (first, second)]
    identifiers = identifier_verdict(first, second)
    categories = [frozenset({clean(offer.category)} if offer.category else ()) for offer in (first, second)]
    return frozenset(
        {
            ("pack sizes", _agreement(packs(texts[0]), packs(texts[1]))),
            ("colours", _agreement(colours(texts[0]), colours(texts[1]))),
            ("codes", _agreement(views[0].codes, views[1].codes)),
            ("measures", _measures(*(_without_packs(seen.measures) for seen in views))),
            ("brand field", _presence(first.brand, second.brand)),
            ("model number", _presence(first.model_number, second.model_number)),
            ("identifiers", identifiers or "say nothing"),
            ("prices", _prices(first, second)),
            ("categories", _agreement(*categories)),
            *(("a category", clean(offer.category)) for offer in (first, second) if offer.category),
        }
    )  # fmt: skip


def sentence_traits(made: MatchDecision) -> frozenset[Trait]:
    """What kind of words the rationale's sentence quotes: what it relied on."""
    if made.rationale is None:
        return frozenset()
    return frozenset(("quotes", _kind(clean(quote.text))) for quote in made.rationale.quotes)


def _kind(text: str) -> str:
    if packs(text):
        return "a pack size"
    if colours(text):
        return "a colour"
    if codes(text):
        return "a code"
    if found := measures(text):
        return "a measure" if any(char.isalpha() for measure in found for char in measure) else "a bare number"
    return "other words"


def _agreement(a: frozenset[str], b: frozenset[str]) -> str:
    if not a or not b:
        return "stated by one" if a or b else "not stated"
    if a == b:
        return "agree"
    return "agree in part" if a & b else "differ"


def _without_packs(found: frozenset[str]) -> frozenset[str]:
    """A pack size is a measure too, but it has a trait of its own."""
    return frozenset(measure for measure in found if not packs(measure))


def _measures(a: frozenset[str], b: frozenset[str]) -> str:
    if conflicting_units(a, b):
        return "differ"
    units_a, units_b = by_unit(a), by_unit(b)
    if any(units_a[unit] & units_b[unit] for unit in units_a.keys() & units_b.keys()):
        return "agree"
    return "stated by one" if a or b else "not stated"


def _presence(a: str | None, b: str | None) -> str:
    return ("on neither side", "on one side", "on both sides")[bool(a) + bool(b)]


def _prices(first: Offer, second: Offer) -> str:
    if first.price is None or second.price is None or first.currency != second.currency:
        return "cannot be compared"
    low, high = sorted((float(first.price), float(second.price)))
    if low <= 0:
        return "cannot be compared"
    ratio = high / low
    return "near" if ratio <= NEAR else "apart" if ratio <= FAR else "far apart"


def _rank(rank: int | None) -> str:
    return "a live link" if rank is None else "blocking's first" if rank == 0 else "a lower rank"


def _band(probability: float) -> str:
    edges = (0.0, *_BANDS, 1.0)
    low, high = next((a, b) for a, b in pairwise(edges) if probability < b or b == 1.0)
    return f"{low:g} to {high:g}"
