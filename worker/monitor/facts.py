"""From one event to what it adds to its window. Pure: the same event gives the same counts, in any process.

Every amount is a whole number (probabilities in millionths), so that sums do not depend on the order of their parts
and a window's counts can be held against the truth digit by digit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
from pydantic import ValidationError

from schemas import topics
from schemas.answer import Answer
from schemas.decision import MatchDecision
from schemas.drift import InputKind, Opinion
from schemas.identifiers import codes, measures
from schemas.offer import Offer, split_key
from schemas.offer_record import OfferRecord
from schemas.text import clean
from worker.monitor import bins
from worker.monitor.vocabulary import Vocabulary, words_of

MILLION = 1_000_000
ALL = "all"
SUM = "sum."
"""Signals with this prefix are sums, not shares: they are estimated from, and never compared."""
COUNT = f"{SUM}n"
AGREEMENTS = ("agreement.", "people.")
"""Prefixes of the signals of opinions: with the student, and with people's labels."""

# A verdict that its own probability gives less than this is one of low confidence.
LOW_CONFIDENCE = 0.8
# Longer names are cut: they become fields in Redis and rows on a page.
NAME_CHARS = 60
NO_EPOCH = "-"

INPUTS: dict[str, InputKind] = {
    topics.DECISIONS: "decisions",
    topics.OFFERS: "offers",
    topics.ANSWERS: "answers",
    topics.OPINIONS: "opinions",
}
ANSWERED = frozenset({"judged", "unchanged", "no_candidates"})


@dataclass(frozen=True)
class Facts:
    """What one record says. `counts` holds (signal, bin, amount) and is added to each of `segments`.

    `epoch` tells apart what must not be compared (bundles, vocabularies); `unique` names an event that counts once in
    its window, however often the log holds it; `bundle` is the JSON of the bundle's reference.
    """

    inputs: InputKind
    epoch: str = NO_EPOCH
    unique: str = ""
    segments: tuple[str, ...] = (ALL,)
    counts: list[tuple[str, str, int]] = field(default_factory=list)
    bundle: str = ""


class Unreadable(ValueError):
    """The record is none of ours, or a broken one; the text says why."""


def facts_of(topic: str, value: bytes | None, vocabulary: Vocabulary | None = None) -> Facts | None:
    """What a record of one of our topics (its name without prefix) adds; None where there is nothing to count.

    Raises Unreadable, and UnknownMajorVersion for an event of a later major version.
    """
    inputs = INPUTS[topic]
    if value is None:
        return None
    try:
        found = orjson.loads(value)
        if inputs == "offers":
            return offer_facts(OfferRecord.model_validate(found), vocabulary)
        readers: dict[InputKind, Callable[[], Facts | None]] = {
            "decisions": lambda: decision_facts(MatchDecision.model_validate(found)),
            "answers": lambda: answer_facts(Answer.model_validate(found)),
            "opinions": lambda: opinion_facts(Opinion.model_validate(found)),
        }
        return readers[inputs]()
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise Unreadable(str(error).splitlines()[0]) from error


def decision_facts(made: MatchDecision) -> Facts | None:
    """What the student said of a pair; of a label, whether it agrees with what stood before.

    A replay's decisions, retractions and operators' actions are no news of production: None.
    """
    if made.replay is not None:
        return None
    bundle, epoch = made.bundle.model_dump_json(), made.bundle.digest[:12]
    counts: list[tuple[str, str, int]] = []
    if made.decided_by in ("label", "teacher"):
        if made.previous_verdict not in ("match", "no_match") or made.verdict not in ("match", "no_match"):
            return None
        by = "person" if made.decided_by == "label" else "teacher"
        counts = [(f"agreement.{by}", "agree" if made.verdict == made.previous_verdict else "differ", 1)]
        return Facts("decisions", epoch, made.decision_id, _segments(made), counts, bundle)
    if made.decided_by not in ("student", "identifier") or made.verdict == "retracted":
        return None
    counts = [(COUNT, "", 1), ("verdict", made.verdict, 1)]
    if made.probability is not None:
        counts.append(("score", bins.logit_bin(made.probability), 1))
        if made.thresholds is not None and made.decided_by == "student":
            said = made.probability >= made.thresholds.match
            sure = made.probability if said else 1 - made.probability
            counts.append(("confidence", "low" if sure < LOW_CONFIDENCE else "enough", 1))
            counts += estimate_counts(made.probability, said)
    if made.rationale is not None:
        counts += [(f"attribute.{name}", seen.verdict, 1) for name, seen in made.rationale.attributes.items()]
        counts.append(("contradiction", "yes" if made.rationale.contradictions() else "no", 1))
    if made.candidate_score is not None:
        counts.append(("blocking", bins.binned(made.candidate_score, bins.BLOCKING_EDGES), 1))
        if made.candidate_rank == 0:
            counts.append(("blocking_best", bins.binned(made.candidate_score, bins.BLOCKING_EDGES), 1))
    if made.shadow is not None:
        counts.append(("shadow", "agree" if made.shadow.verdict == made.verdict else "differ", 1))
    return Facts("decisions", epoch, made.decision_id, _segments(made), counts, bundle)


def estimate_counts(probability: float, said: bool) -> list[tuple[str, str, int]]:
    """The sums that performance is estimated from: pairs, probabilities and variances, by what was said."""
    side = "said" if said else "not"
    p = round(probability * MILLION)
    return [
        (f"{SUM}estimate", f"{side}.pairs", 1),
        (f"{SUM}estimate", f"{side}.p", p),
        (f"{SUM}estimate", f"{side}.v", p * (MILLION - p) // MILLION),
    ]


def _segments(made: MatchDecision) -> tuple[str, ...]:
    return segments(split_key(made.query_key)[0], made.category)


def segments(source: str | None, category: str | None) -> tuple[str, ...]:
    """The segments of an event: all, its source's, its category's. Names are cut and cleaned: sellers wrote them."""
    named = [ALL]
    if source:
        named.append(f"source={source[:NAME_CHARS]}")
    if category and (tidy := clean(category, NAME_CHARS)):
        named.append(f"category={tidy}")
    return tuple(named)


def answer_facts(answer: Answer) -> Facts:
    """How changes were answered. Candidates count only where as many were asked for as the settings say: fewer under
    lag are no drift of the catalogue."""
    counts: list[tuple[str, str, int]] = [(COUNT, "", 1), ("outcome", answer.outcome, 1)]
    if answer.outcome in ANSWERED and answer.k_effective == answer.k_requested:
        counts.append(("candidates", bins.binned(answer.candidates, bins.COUNT_EDGES), 1))
    try:
        source = split_key(answer.key)[0] if answer.key else None
    except ValueError:
        source = None
    return Facts("answers", segments=segments(source, None), counts=counts)


def offer_facts(record: OfferRecord, vocabulary: Vocabulary | None = None) -> Facts | None:
    """How the listings look that the student is shown; None for those that are only indexed."""
    if record.index_only:
        return None
    offer = record.offer
    epoch = vocabulary.digest if vocabulary is not None else NO_EPOCH
    return Facts(
        "offers", epoch, segments=segments(offer.source, offer.category), counts=listing_counts(offer, vocabulary)
    )


def listing_counts(offer: Offer, vocabulary: Vocabulary | None = None) -> list[tuple[str, str, int]]:
    """All signals of one listing."""
    title, brand = clean(offer.title), clean(offer.brand or "")
    letters = [char for char in offer.title if char.isalpha()]
    foreign = sum(not char.isascii() for char in letters) / len(letters) if letters else 0.0
    described = clean(offer.description or "")
    counts = [
        (COUNT, "", 1),
        ("title_chars", bins.binned(len(title), bins.TITLE_CHARS), 1),
        ("title_words", bins.binned(len(title.split()), bins.TITLE_WORDS), 1),
        ("description_chars", bins.binned(len(described), bins.DESCRIPTION_CHARS), 1),
        ("foreign_letters", bins.binned(foreign, bins.SHARE_EDGES), 1),
        ("codes", bins.binned(len(set(codes(title))), bins.FEW_EDGES), 1),
        ("measures", bins.binned(len(set(measures(title))), bins.FEW_EDGES), 1),
        ("brand_in_title", ("yes" if brand in title else "no") if brand else "no brand", 1),
        ("source", bins.name_bin(offer.source), 1),
        ("category", bins.name_bin(clean(offer.category)) if offer.category else "none", 1),
    ]
    for name in ("brand", "model_number", "gtin", "price", "description"):
        counts.append((f"field.{name}", "given" if getattr(offer, name) else "missing", 1))
    if offer.price is not None:
        counts.append(("price", bins.binned(float(offer.price), bins.PRICE_EDGES), 1))
    if vocabulary is not None and (share := vocabulary.unknown_share(words_of(offer))) is not None:
        counts.append(("unknown_words", bins.binned(share, bins.SHARE_EDGES), 1))
    return counts


def opinion_facts(opinion: Opinion) -> Facts:
    """Whether a judge or the teacher agrees, by how much the student's probability was off; of a label, in how many
    attribute verdicts a judge says what a person said."""
    counts: list[tuple[str, str, int]] = [(COUNT, "", 1)]
    if opinion.about == "label":
        said = (("agree", opinion.agreed), ("differ", opinion.claims - opinion.agreed))
        counts += [(f"people.{opinion.by}", name, number) for name, number in said if number > 0]
    else:
        counts.append((f"agreement.{opinion.by}", "agree" if opinion.score >= 0.5 else "differ", 1))
    if (
        opinion.match is not None
        and opinion.probability is not None
        and opinion.said_match is not None
        and opinion.inclusion_probability is not None
    ):
        side = "said" if opinion.said_match else "not"
        weight = 1 / opinion.inclusion_probability
        counts += [
            (f"{SUM}labelled", f"{side}.pairs", 1),
            (f"{SUM}labelled", f"{side}.weight", round(weight * MILLION)),
            (
                f"{SUM}labelled",
                f"{side}.off",
                round((int(opinion.match) - opinion.probability) * weight * MILLION),
            ),
        ]
    epoch = opinion.bundle_digest[:12] if opinion.bundle_digest else NO_EPOCH
    return Facts(
        "opinions", epoch, unique=opinion.opinion_id, segments=segments(opinion.source or None, None), counts=counts
    )
