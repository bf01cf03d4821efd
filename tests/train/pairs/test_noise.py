from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identifiers import codes, normalise_code, offer_codes
from schemas.offer import Offer
from schemas.stated import colours, packs
from schemas.text import clean
from train.evaluation.suites.injections import INJECTIONS
from train.pairs.noise import FIELDS, WORDING, move_code, noisy, rewrite_units
from train.pairs.wordlists import EVALUATION, TRAINING

OFFER = Offer(
    offer_id="1",
    source="a",
    title="Sony Cyber-shot DSC-W120/P compact digital camera with leather strap black 512GB 3-pack wall mount",
    brand="Sony",
    price="149",
    currency="EUR",
    description="A camera",
)


@given(seed=st.integers(0, 100_000))
def test_noise_keeps_what_tells_products_apart(seed: int) -> None:
    found = noisy(OFFER, random.Random(seed))
    assert set(offer_codes(found)) >= set(offer_codes(OFFER))
    if not any(text in (found.model_number or "") for text in TRAINING.foreign):
        assert set(offer_codes(found)) == set(offer_codes(OFFER))
    assert colours(clean(found.title)) == colours(clean(OFFER.title))
    assert packs(clean(found.title)) == packs(clean(OFFER.title))
    assert "512gb" in normalise_code(found.title)
    assert "sony" in clean(found.title).split()
    assert (found.offer_id, found.source) == (OFFER.offer_id, OFFER.source)


@given(title=st.text(min_size=1, max_size=80), seed=st.integers(0, 1_000))
def test_any_title_stays_a_title(title: str, seed: int) -> None:
    if not clean(title):
        title += " x1"
    offer = Offer(offer_id="1", source="a", title=title)
    found = noisy(offer, random.Random(seed))
    assert Offer.model_validate(found.model_dump()) == found
    assert clean(found.title) or found.model_number


def test_every_kind_of_noise_does_something() -> None:
    for name, (noise, chance) in {**WORDING, **FIELDS}.items():
        assert 0 < chance < 1
        assert any(noise(OFFER, random.Random(seed), TRAINING) != OFFER for seed in range(20)), name


@pytest.mark.parametrize(
    ("title", "forms"),
    [
        ("ssd drive 512gb", {"ssd drive 512 gb"}),
        ("ssd drive 1 tb", {"ssd drive 1tb", "ssd drive 1000gb"}),
        ("hdd 2000gb", {"hdd 2tb", "hdd 2000 gb"}),
        ("screen 24 inch", {"screen 24in", "screen 24-inch", 'screen 24"', "screen 24inch"}),
        ("tape 50 mm wide", {"tape 50mm wide", "tape 5cm wide"}),
        ("canon 50mm lens", {"canon 50 mm lens"}),
        ("mouse 2 in 1", {"mouse 2 in 1"}),
        ("kit dtduo3/32gb", {"kit dtduo3/32gb"}),
    ],
)
def test_units_are_rewritten_but_not_inside_codes(title: str, forms: set[str]) -> None:
    offer = Offer(offer_id="1", source="a", title=title)
    assert {rewrite_units(offer, random.Random(seed), TRAINING).title for seed in range(80)} == forms


def test_a_code_moves_only_where_a_title_is_left() -> None:
    moved = move_code(OFFER)
    assert moved.model_number == "dsc-w120/p"
    assert "120" not in moved.title
    assert set(offer_codes(moved)) == set(offer_codes(OFFER))
    short = Offer(offer_id="1", source="a", title="sony dscw120p")
    assert move_code(short) is short
    assert move_code(moved) is moved


def test_nothing_that_is_added_for_training_is_added_for_measuring() -> None:
    for name in ("promotions", "tags", "brands", "packs", "pack_sizes", "colours"):
        training, evaluation = (set(getattr(words, name)) for words in (TRAINING, EVALUATION))
        assert training
        assert evaluation
        assert not training & evaluation, name
    for words in (TRAINING, EVALUATION):
        for phrase in words.packs:
            assert packs(clean(phrase.format(n=7))) == {"7"}, phrase
        for colour in words.colours:
            assert colours(colour), colour
        for entry in (*words.promotions, *words.tags, *words.foreign):
            assert clean(entry) == entry
            assert not codes(entry), entry
            assert not colours(entry), entry
            assert not packs(entry), entry
            assert not re.search(r"\d+ ?(gb|tb|mm)", entry), entry


def test_no_injection_that_measures_is_trained_on() -> None:
    """Not only other texts: no three words of one stand in the other."""
    trained = {part for text in TRAINING.foreign for part in _threes(text)}
    for found in INJECTIONS.values():
        for text in found:
            assert not trained & _threes(clean(text)), text


def _threes(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[place : place + 3]) for place in range(len(words) - 2)}
