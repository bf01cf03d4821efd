from __future__ import annotations

from pathlib import Path

from schemas.identifiers import gtin14, offer_codes
from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES
from train.pairs.mixture import Mixture, known_brands, made_up_gtin, with_gtins, with_model_field
from train.pairs.pairs import Pair
from train.pairs.splits import clusters_of_offers, stages_of_clusters


def offer(title: str, number: int = 1, brand: str | None = None) -> Offer:
    return Offer(offer_id=str(number), source="s", title=title, brand=brand)


def pair(number: int, label: int) -> Pair:
    return Pair(str(number), offer("canon eos", number), offer("canon eos", -number), label, "here")


def test_a_brand_is_known_when_enough_offers_state_it() -> None:
    stated = [offer("x", number, "Canon") for number in range(3)] + [offer("x", 9, "Nikon"), offer("x", 8, "Nikon")]
    stated += [offer("x", number, "Western Digital") for number in range(20, 25)]
    pairs = [Pair(str(place), one, one, 1, "here") for place, one in enumerate(stated)]
    assert known_brands(pairs) == {"canon"}


def test_a_moved_code_is_still_the_offers_code() -> None:
    moved = 0
    for number in range(60):
        before = offer("Sony DSC-W120/P camera pink", number)
        after = with_model_field(before, seed=17)
        assert set(offer_codes(after)) == set(offer_codes(before))
        if after != before:
            moved += 1
            assert (after.title, after.model_number) == ("Sony camera pink", "dsc-w120/p")
    assert 5 <= moved <= 25
    plain = offer("Sony camera pink")
    assert with_model_field(plain, seed=17) is plain


def test_made_up_gtins_are_valid_and_agree_with_the_label_as_a_rule() -> None:
    assert gtin14(made_up_gtin("anything"))
    found = [with_gtins(pair(number, number % 2), seed=17) for number in range(1, 2_001)]
    stated = [item for item in found if item.left.gtin]
    assert 120 <= len(stated) <= 280
    agreeing = [(item.left.gtin == item.right.gtin) == (item.label == 1) for item in stated]
    assert 0.9 <= sum(agreeing) / len(agreeing) < 1
    assert all(gtin14(item.left.gtin or "") and gtin14(item.right.gtin or "") for item in stated)


def test_rationales_come_from_the_sft_products_only(data_dir: Path, mixture: Mixture) -> None:
    clusters = clusters_of_offers(data_dir)
    stages = stages_of_clusters(set(clusters.values()))
    taught = [item for item in mixture.pairs if item.targets.source != "derived"]
    assert len(taught) > 1_500
    for item in mixture.pairs:
        if item.pair.origin == "wdc-products":
            assert {stages[clusters[side.offer_id]] for side in (item.pair.left, item.pair.right)} == {"sft"}
        else:
            assert item.targets.source == "derived"


def test_contradictory_rationales_are_set_aside(mixture: Mixture) -> None:
    report = mixture.rationales
    assert report.read == report.kept + report.teacher_denies_label + report.contradictory
    assert min(report.contradictory, report.teacher_denies_label) > 0
    assert not [item.pair.pair_id for item in mixture.pairs if item.targets.contradicts(item.pair.label)]


def test_nothing_that_was_derived_is_called_unknown(mixture: Mixture) -> None:
    derived = [item.targets.verdicts for item in mixture.pairs if item.targets.source == "derived"]
    assert derived
    assert not [verdicts for verdicts in derived if "unknown" in verdicts.values()]
    for name in ATTRIBUTES:
        seen = {verdicts.get(name) for verdicts in derived}
        assert seen == {"same", "different", None}, name


def test_the_data_is_what_the_released_student_was_trained_on(mixture: Mixture) -> None:
    """Another digest is other data: then train again, or the model card names what it was not trained on."""
    assert len(mixture.pairs) == 29_803
    assert mixture.digest() == "cde91f4ae9f4dc596b4e426fdec7d7864229f33510a6e82096df37fff5d308c1"
