from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from schemas.offer import Offer
from worker.blocking import BlockingSettings
from worker.blocking.terms import MAX_TERMS, UNIT, document_terms, plan, query_terms, weight

SETTINGS = BlockingSettings()


def offer(title: str, **fields: str) -> Offer:
    return Offer.model_validate({"offer_id": "1", "source": "s", "title": title, **fields})


def test_terms_are_trigrams_within_words_and_identifiers() -> None:
    terms = document_terms(offer("TV DSC-W120/P", gtin="4006381333931"), SETTINGS)
    assert {"g:$tv", "g:tv$", "g:$ds", "gtin:04006381333931", "code:dscw120p"} <= set(terms)
    assert not any(" " in term for term in terms)
    assert terms["gtin:04006381333931"] == UNIT


def test_a_wrong_gtin_is_no_term() -> None:
    assert not any(term.startswith("gtin:") for term in document_terms(offer("tv", gtin="4006381333932"), SETTINGS))


def test_score_follows_the_formula() -> None:
    terms = document_terms(offer("abab"), SETTINGS)  # $ab aba bab ab$
    norm = 1.2 * (0.25 + 0.75 * 4 / 46)
    assert set(terms.values()) == {round(UNIT * 2.2 / (1 + norm))}


def test_an_endless_title_gives_bounded_terms() -> None:
    title = " ".join(f"{i:x}" for i in range(100_000, 100_280))
    assert len(document_terms(offer(title), SETTINGS)) <= MAX_TERMS + 280


def test_a_title_of_signs_has_no_terms() -> None:
    assert document_terms(offer("!!!"), SETTINGS) == {}
    assert query_terms(offer("***")) == []


@given(st.text(min_size=1, max_size=200))
def test_any_title_has_storable_terms(title: str) -> None:
    if not title.strip():
        return
    terms = document_terms(offer(title), SETTINGS)
    assert set(terms) == set(query_terms(offer(title)))
    assert all("\x1f" not in term and score > 0 for term, score in terms.items())
    "".join(terms).encode()


def test_weight_is_the_usual_idf() -> None:
    assert weight("g:abc", 100, 3, SETTINGS) == round(UNIT * math.log(1 + 97.5 / 3.5))
    assert weight("gtin:1", 100, 3, SETTINGS) == round(3 * UNIT * math.log(1 + 97.5 / 3.5))
    assert weight("g:abc", 2, 3, SETTINGS) > 0  # counts of two shards may be read at different times


def test_plan_takes_the_rarest_first_within_the_bound() -> None:
    settings = BlockingSettings(max_posting=50, max_read=60)
    chosen = plan({"g:a": 40, "g:b": 10, "g:c": 0, "g:d": 51, "g:e": 30}, 100, settings)
    assert [term for term, _ in chosen] == ["g:b", "g:e"]


def test_plan_keeps_the_rarest_where_all_are_common() -> None:
    settings = BlockingSettings(max_posting=50, max_read=60)
    assert [term for term, _ in plan({"g:a": 90, "g:b": 70}, 100, settings)] == ["g:b"]
    assert plan({"g:a": 0}, 100, settings) == []


def test_fixed_idf_prunes_and_weighs_nothing_by_what_is_indexed() -> None:
    settings = BlockingSettings(idf="fixed", max_posting=1, max_read=1)
    few = dict(plan({"g:a": 1, "g:b": 1}, 2, settings))
    many = dict(plan({"g:a": 900, "g:b": 5}, 1000, settings))
    assert few == many
