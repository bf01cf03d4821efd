from __future__ import annotations

from typing import Any

from schemas.grammar import is_grounded
from schemas.offer import Offer
from schemas.prompt import quotable
from train.rationales.derive import derive
from train.rationales.verdicts import SentenceTarget, Targets

BRANDS = frozenset({"canon", "sony", "nikon"})


def offer(title: str, **values: Any) -> Offer:
    return Offer.model_validate({"offer_id": "1", "source": "s", "title": title, **values})


def derived(left: str, right: str, label: int) -> Targets:
    targets = derive(offer(left), offer(right), label, BRANDS)
    if targets.sentence is not None:
        assert is_grounded(quotable(offer(left)), targets.sentence.quote_left)
        assert is_grounded(quotable(offer(right)), targets.sentence.quote_right)
    return targets


def test_a_match_agrees_in_all_that_both_state() -> None:
    found = derived("Sony DSC-W120/P pink 7.2mp 3 pack", "sony camera dscw120p pink 7.2 megapixel pack of 3", 1)
    assert found.verdicts == dict.fromkeys(("brand", "product", "variant", "specification", "quantity"), "same")
    assert found.sentence == SentenceTarget("product", "dsc-w120/p", "dscw120p")
    assert not found.contradicts(1)


def test_what_one_side_leaves_out_is_masked() -> None:
    assert derived("Sony DSC-W120 pink 8gb", "dscw120", 1).verdicts == {"product": "same"}


def test_other_brands_make_another_product() -> None:
    found = derived("Canon camera", "Nikon camera", 0)
    assert found.verdicts == {"brand": "different", "product": "different"}
    assert found.sentence == SentenceTarget("brand", "canon", "nikon")


def test_a_brand_that_the_other_title_names_is_the_same() -> None:
    left = offer("EOS 7D", brand="Canon")
    assert derive(left, offer("Canon EOS", brand="Canon Inc"), 1, BRANDS).verdicts["brand"] == "same"
    # Whether "hp" is "hewlett packard" nobody derives from a match.
    known = derive(offer("x", brand="hp"), offer("y", brand="hewlett packard"), 1, BRANDS)
    assert "brand" not in known.verdicts


def test_unrelated_codes_of_a_non_match_are_other_products() -> None:
    found = derived("Canon SX110 camera", "Canon EOS7D camera", 0)
    assert found.verdicts == {"brand": "same", "product": "different"}
    assert found.sentence == SentenceTarget("product", "sx110", "eos7d")


def test_related_codes_of_a_non_match_stay_open() -> None:
    """dscw120p against dscw120b may be another colour of one product."""
    assert "product" not in derived("Sony DSCW120P", "Sony DSCW120B", 0).verdicts


def test_conflicts_of_a_non_match() -> None:
    found = derived("Sony stick 8gb black 2 pack", "Sony stick 16gb white 4 pack", 0)
    assert found.verdicts == {
        "brand": "same", "variant": "different", "specification": "different", "quantity": "different",
    }  # fmt: skip
    assert found.sentence == SentenceTarget("variant", "black", "white")


def test_agreement_of_a_non_match_proves_nothing() -> None:
    assert derived("Sony stick 8gb black", "Sony stick 8gb black", 0).verdicts == {"brand": "same"}


def test_targets_know_their_contradictions() -> None:
    assert Targets({"variant": "different"}).contradicts(1)
    assert not Targets({"variant": "different"}).contradicts(0)
    assert not Targets({"variant": "unknown"}).contradicts(1)
