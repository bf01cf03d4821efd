"""From an offer to the terms it is found by, with their stored scores. Pure.

Scores are whole numbers: sums of products of whole numbers are exact in a double, so a score does not depend on the
order in which Redis adds (which follows the lengths of the postings, hence what else is indexed).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import islice

from schemas.identifiers import identifier_keys
from schemas.offer import Offer
from schemas.text import clean, trigrams, unrepeated
from worker.blocking.settings import BlockingSettings

# Fixed-point unit of term scores and of weights: 1/1024 moves no rank in the public sets and keeps
# 500 terms x 2^12 x 2^18 below 2^53.
UNIT = 1024
# A term of an offer: longer texts are promotion, and the script's time is bounded by this.
MAX_TERMS = 400
_NOT_WORD = re.compile(r"\W+")


def grams(offer: Offer) -> Counter[str]:
    """Trigrams of brand, title and model number with their counts; a trigram never crosses a word's border.

    Within words they are half as many as across words, and found more first (Abt-Buy R@1 91.1 against 87.4).
    """
    brand, title, model = (clean(field) if field else "" for field in (offer.brand, offer.title, offer.model_number))
    text = _NOT_WORD.sub(" ", f"{brand} {title} {model}")
    counts = Counter(trigrams(unrepeated(text)))
    return Counter(dict(islice(counts.items(), MAX_TERMS)))


def document_terms(offer: Offer, settings: BlockingSettings) -> dict[str, int]:
    """Terms of an indexed offer, in sorted order, each with its score in 1/1024.

    BM25's document part ``tf (k1 + 1) / (tf + k1 (1 - b + b length / average))`` for trigrams (prefix ``g:``),
    1 for identifiers (their own prefix).
    """
    counts = grams(offer)
    norm = settings.k1 * (1 - settings.b + settings.b * counts.total() / settings.average_length)
    found = {f"g:{gram}": round(UNIT * tf * (settings.k1 + 1) / (tf + norm)) for gram, tf in counts.items()}
    found.update((key, UNIT) for key in identifier_keys(offer))
    return dict(sorted(found.items()))


def query_terms(offer: Offer) -> list[str]:
    """Terms by which an offer looks for others, each once, sorted."""
    return sorted({*(f"g:{gram}" for gram in grams(offer)), *identifier_keys(offer)})


def weight(term: str, documents: int, frequency: int, settings: BlockingSettings) -> int:
    """Weight of a query term in 1/1024: ``ln(1 + (N - df + 0.5) / (df + 0.5))``, times the boost for identifiers."""
    idf = settings.fixed_idf
    if settings.idf == "live":
        idf = math.log1p((max(documents, frequency) - frequency + 0.5) / (frequency + 0.5))
    boost = 1.0 if term.startswith("g:") else settings.identifier_boost
    return max(1, round(UNIT * idf * boost))


def plan(frequencies: dict[str, int], documents: int, settings: BlockingSettings) -> list[tuple[str, int]]:
    """Which terms are looked up, with their weights.

    Rarest first, until ``max_read`` postings are read; trigrams in more than ``max_posting`` offers are left out. If
    that leaves nothing, the rarest term alone is looked up, cut to ``max_read`` by the script. Ties go by the term
    itself.

    Args:
        frequencies: offers that hold the term, for each query term.
        documents: offers in the index.
    """
    present = sorted((df, term) for term, df in frequencies.items() if df > 0)
    chosen: list[tuple[str, int]] = []
    left = settings.max_read
    for df, term in present:
        if settings.idf == "live" and (df > settings.max_posting or df > left):
            break
        left -= df
        chosen.append((term, weight(term, documents, df, settings)))
    if not chosen and present:
        df, term = present[0]
        chosen.append((term, weight(term, documents, df, settings)))
    return chosen
