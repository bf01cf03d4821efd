"""Streams of decisions with drifts in them: real offers, changed in known ways, blocked and judged for real.

Three catalogues (Abt-Buy, Amazon-Google, WDC Products), ten ways in which sellers change their ways. Each query of a
catalogue is judged as it is and under every drift against the same catalogue, and kept in a file; streams are then
drawn from these *blocks* (a change with all its decisions), so that before and after a drift the same products come,
and only the drift differs. Making goes on where it was stopped.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from samesku.blocked import BATCH
from samesku.load.changes import Ready, to_changes
from samesku.load.rows import read_rows
from schemas.answer import Answer
from schemas.decision import BundleRef, Cuts, MatchDecision, Side
from schemas.events import Position
from schemas.identifiers import codes
from schemas.offer import Offer, pair_id
from schemas.offer_record import OfferRecord
from schemas.policy import Policy, decide
from schemas.rationale import Rationale
from schemas.text import clean
from train.pairs.pairs import read_pairs
from worker.blocking import BlockingSettings, Index
from worker.monitor.facts import Facts, answer_facts, decision_facts, offer_facts
from worker.monitor.vocabulary import Vocabulary
from worker.student.judge import Judge

SETS = ("abt-buy", "amazon-google", "wdc-products")
CANDIDATES = 4
CLEAN = "clean"
SEED = 20261123

PROMOTION = ("black week deal", "limited bundle offer", "hot sale free shipping", "mega discount now", "cyber bargain")
GERMAN = {
    "with": "mit", "and": "und", "for": "fuer", "black": "schwarz", "white": "weiss", "silver": "silber", "red": "rot",
    "blue": "blau", "digital": "digitale", "camera": "kamera", "speaker": "lautsprecher", "system": "anlage",
    "wireless": "kabellos", "battery": "akku", "charger": "ladegeraet", "software": "programm", "home": "heim",
    "edition": "ausgabe", "upgrade": "aktualisierung", "phone": "telefon", "drive": "laufwerk", "memory": "speicher",
    "watch": "armbanduhr", "shoes": "schuhe", "pack": "packung", "new": "neu", "the": "das", "of": "von", "in": "im",
    "full": "voll", "version": "fassung", "refrigerator": "kuehlschrank", "series": "serie", "player": "spieler",
    "headphones": "kopfhoerer", "remote": "fernbedienung", "cable": "kabel", "stereo": "stereoanlage", "women": "damen",
}  # fmt: skip
GERMAN_WORDS = ("neu", "sofort lieferbar", "inkl mwst", "guenstig kaufen", "versandkostenfrei")

Change = Callable[[Offer, random.Random], Offer]


def _with(offer: Offer, **fields: object) -> Offer:
    """The offer with other fields; a title that would be empty becomes a single dot-free character."""
    content = {**offer.model_dump(exclude_none=True), **fields}
    title = str(content.get("title") or "").strip()
    return Offer.model_validate({**content, "title": title or "x"})


def promotion(offer: Offer, chance: random.Random) -> Offer:
    return _with(offer, title=f"{chance.choice(PROMOTION)} {offer.title}")


def swapped(offer: Offer, chance: random.Random) -> Offer:
    """The brand's column holds the title and the title's the brand, or the first word where there is none."""
    brand = offer.brand or offer.title.split()[0]
    return _with(offer, title=brand, brand=offer.title)


def broken(offer: Offer, chance: random.Random) -> Offer:
    """Titles cut after a few characters, everything else gone."""
    return _with(
        offer,
        title=offer.title[: chance.choice((1, 4, 8))],
        brand=None,
        model_number=None,
        description=None,
        price=None,
    )


def price_scale(offer: Offer, chance: random.Random) -> Offer:
    """Cents where there were units."""
    return _with(offer, price=f"{float(offer.price) * 100:.2f}") if offer.price else offer


def language(offer: Offer, chance: random.Random) -> Offer:
    words = [GERMAN.get(word.lower(), word) for word in offer.title.split()]
    return _with(offer, title=f"{' '.join(words)} {chance.choice(GERMAN_WORDS)}")


def codes_dropped(offer: Offer, chance: random.Random) -> Offer:
    """Model numbers and all tokens that are codes are gone."""
    kept = [word for word in offer.title.split() if not codes(clean(word))]
    return _with(offer, title=" ".join(kept) or offer.title, model_number=None, gtin=None)


def brand_missing(offer: Offer, chance: random.Random) -> Offer:
    words = offer.title.split()
    if offer.brand:
        gone = set(clean(offer.brand).split())
        return _with(
            offer, brand=None, title=" ".join(word for word in words if clean(word) not in gone) or offer.title
        )
    return _with(offer, title=" ".join(words[1:]) or offer.title)


def pack_sizes(offer: Offer, chance: random.Random) -> Offer:
    return _with(offer, title=f"{offer.title} {chance.choice((2, 3, 4, 6, 12))} pack")


DRIFTS: dict[str, Change | None] = {
    "promotion words": promotion,
    "new source": None,
    "swapped fields": swapped,
    "broken feed": broken,
    "price scale": price_scale,
    "language": language,
    "codes dropped": codes_dropped,
    "brand missing": brand_missing,
    "category shift": None,
    "pack sizes": pack_sizes,
}
"""Of the two without a function the queries are others: those of another catalogue, and those of one kind only."""


@dataclass(frozen=True)
class Catalogue:
    """Offers of one set: all of them (the index), and the queries in the order in which they are judged."""

    name: str
    offers: list[Offer]
    queries: list[Offer]


def catalogue(folder: Path, name: str) -> Catalogue:
    """A set's offers. Raises OSError and train.pairs.pairs.PairFileError."""
    offers = list(_wdc(folder)) if name == "wdc-products" else list(_tables(folder / name))
    queries = list(offers)
    random.Random(SEED).shuffle(queries)
    return Catalogue(name, offers, queries)


def _tables(base: Path) -> Iterator[Offer]:
    for side, seller in zip(("left", "right"), base.name.split("-"), strict=True):
        for change in to_changes(read_rows(base / f"{side}.jsonl"), seller):
            if isinstance(change, Ready):
                yield Offer.model_validate(orjson.loads(change.value)["offer"])


def _wdc(folder: Path) -> Iterator[Offer]:
    seen: dict[str, Offer] = {}
    for file in ("train_small", "valid_small"):
        for pair in read_pairs(folder / "wdc-products-80cc" / f"{file}.jsonl.gz"):
            for offer in (pair.left, pair.right):
                seen.setdefault(offer.offer_id, offer)
    for offer_id, offer in sorted(seen.items()):
        # Web shops without a name: half of them are one seller here, half another.
        yield offer.model_copy(update={"source": f"shop{sum(offer_id.encode()) % 2}"})


def drifted(name: str, catalogue: Catalogue, other: Catalogue, queries: int) -> list[Offer]:
    """The first `queries` queries of a catalogue under a drift; the same ones every time."""
    chosen = catalogue.queries[:queries]
    change = DRIFTS.get(name)
    if name == CLEAN:
        return chosen
    if name == "new source":
        return [offer.model_copy(update={"source": "bazaar"}) for offer in other.queries[:queries]]
    if name == "category shift":
        # The kind of product is the commonest word of the titles that is no brand: all queries are of it from now on.
        return _of_one_kind(catalogue, queries)
    if change is None:
        raise ValueError(f"unknown drift {name!r}; valid: {', '.join(DRIFTS)}")
    return [change(offer, random.Random(f"{name}{offer.key}")) for offer in chosen]


def _of_one_kind(catalogue: Catalogue, queries: int) -> list[Offer]:
    counts: dict[str, int] = {}
    for offer in catalogue.queries:
        brand = clean(offer.brand or "").split()
        for word in {*clean(offer.title).split()} - set(brand):
            if len(word) > 3 and word.isalpha():
                counts[word] = counts.get(word, 0) + 1
    kinds = sorted(counts, key=lambda word: (-counts[word], word))[:2]
    return [offer for offer in catalogue.queries if set(kinds) & set(clean(offer.title).split())][:queries]


class Maker:
    """Judges queries against one catalogue and keeps what comes of each, a line a query."""

    def __init__(self, catalogue: Catalogue, redis_url: str, judge: Judge, folder: Path) -> None:
        self._judge = judge
        self._folder = folder / catalogue.name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._by_key = {offer.key: offer for offer in catalogue.offers}
        settings = BlockingSettings(namespace=f"drift-{catalogue.name}", exclude_same_source=True)
        self._index = Index.connect(redis_url, settings=settings)
        self._index.start_check()
        self._index.initialise("drift")
        offers = list(self._by_key.values())
        for start in range(0, len(offers), BATCH):
            self._index.upsert_many((each, start + place) for place, each in enumerate(offers[start : start + BATCH]))

    def make(self, drift: str, queries: Sequence[Offer], judged: Callable[[int], None]) -> None:
        """Judge the queries that are not in the file yet; `judged` is told the pairs of each."""
        path = self._folder / f"{drift.replace(' ', '-')}.jsonl"
        done = _whole_lines(path)
        with path.open("ab") as file:
            for query in queries[done:]:
                found = [each for each in self._index.candidates(query, CANDIDATES + 1) if each.key != query.key]
                found = found[:CANDIDATES]
                judgements = self._judge.judge(query, [self._by_key[each.key] for each in found]) if found else []
                row = {
                    "query": query.model_dump(exclude_none=True),
                    "decisions": [
                        {
                            "candidate": each.key, "score": each.score, "rank": place, "logit": made.logit,
                            "probability": made.probability, "rationale": made.rationale().model_dump(mode="json"),
                        }
                        for place, (each, made) in enumerate(zip(found, judgements, strict=True))
                    ],
                }  # fmt: skip
                file.write(orjson.dumps(row) + b"\n")
                file.flush()
                judged(len(found))


def _whole_lines(path: Path) -> int:
    """How many lines a file has; what a kill has left of one more is cut off."""
    if not path.exists():
        return 0
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        path.write_bytes(whole)
    return whole.count(b"\n")


@dataclass(frozen=True)
class Block:
    """One change with all that came of it: facts for the monitor, plain numbers for the others."""

    offers: Facts
    answers: Facts
    decisions: list[Facts]
    rows: list[dict[str, Any]]
    """One a decision: probability, blocking score, title_chars, candidates, verdict, and each attribute's verdict."""


def read_blocks(folder: Path, name: str, drift: str, vocabulary: Vocabulary, policy: Policy) -> list[Block]:
    """The blocks of a set under a drift. Raises OSError when it was not made."""
    path = folder / name / f"{drift.replace(' ', '-')}.jsonl"
    with path.open("rb") as lines:
        return [_block(orjson.loads(line), number, vocabulary, policy) for number, line in enumerate(lines)]


def _block(row: dict[str, Any], number: int, vocabulary: Vocabulary, policy: Policy) -> Block:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    query = Offer.model_validate(row["query"])
    position = Position(topic="catalog.changes", partition=0, offset=number)
    record = OfferRecord(
        key=query.key, offer=query, effective_version=number, digest=query.digest(), source=position, indexed_at=now
    )
    answer = Answer(
        source=position, key=query.key, op="upsert", outcome="judged" if row["decisions"] else "no_candidates",
        candidates=len(row["decisions"]), k_requested=CANDIDATES, k_effective=CANDIDATES, answered_at=now,
    )  # fmt: skip
    decisions = [_decision(query, each, position, now, policy) for each in row["decisions"]]
    listed = offer_facts(record, vocabulary)
    facts = [found for made in decisions if (found := decision_facts(made)) is not None]
    if listed is None:
        raise ValueError("an offer that is only indexed")
    rows = [
        {
            "probability": made.probability, "score": made.candidate_score, "title_chars": len(query.title),
            "candidates": len(decisions), "verdict": made.verdict,
            **{name: seen.verdict for name, seen in (made.rationale.attributes if made.rationale else {}).items()},
        }
        for made in decisions
    ]  # fmt: skip
    return Block(listed, answer_facts(answer), facts, rows)


def _decision(query: Offer, row: dict[str, Any], position: Position, now: Any, policy: Policy) -> MatchDecision:
    rationale = Rationale.model_validate(row["rationale"])
    ruling = decide(row["probability"], rationale.attributes, policy)
    first, second = sorted((query.key, row["candidate"]))
    cuts = Cuts.model_validate(
        {"match": policy.match_threshold, "review_low": policy.review_low, "review_high": policy.review_high}
    )
    return MatchDecision(
        decision_id=f"{query.key}#{row['candidate']}", pair_id=pair_id(first, second), query_key=query.key,
        candidate_key=row["candidate"], first=Side(key=first, effective_version=0, digest=""),
        second=Side(key=second, effective_version=0, digest=""), verdict=ruling.verdict,
        probability=row["probability"], logit=row["logit"], reasons=list(ruling.reasons), rationale=rationale,
        decided_by="student", bundle=BundleRef(name="student", version="1", digest="d" * 64), prompt_version="",
        grammar_version="", policy_version="", candidate_rank=row["rank"], candidate_score=row["score"],
        source=position, decided_at=now, thresholds=cuts,
    )  # fmt: skip
