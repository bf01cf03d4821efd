"""Evidence: the same for both orders, and what the words say."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.offer import Offer
from tests.train.judges.made import cases
from train.judges.claims import Claim
from train.judges.facts import FEATURES, features, relation, rendered, same_brand, state
from train.judges.interface import JUDGE_NAMES, JudgeName


def made(title: str, **more: str) -> Offer:
    return Offer.model_validate({"offer_id": title[:9], "source": "x", "title": title, **more})


@pytest.mark.parametrize("name", JUDGE_NAMES)
def test_the_order_of_the_sides_cannot_matter(name: JudgeName) -> None:
    for case in cases(name)[::7]:
        for claim in (case.right, case.wrong):
            assert features(claim).shape == (FEATURES,)
            assert np.array_equal(features(claim), features(claim.swapped()))
            assert rendered(claim) == rendered(claim.swapped())


def test_verdict_and_answer_are_not_in_the_evidence() -> None:
    case = cases("core_identity")[0]
    claims = [
        Claim(case.right.left, case.right.right, "brand", verdict) for verdict in ("same", "different", "unknown")
    ]
    assert len({features(claim).tobytes() for claim in claims}) == 1
    assert len({rendered(claim) for claim in claims}) == 1


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [("HP", "hewlett packard", True), ("tp-link", "tplink", True), ("lg", "lg electronics", True),
     ("sony", "sanyo", False), ("", "sony", False)],
)  # fmt: skip
def test_brands_under_two_names(a: str, b: str, same: bool) -> None:
    assert same_brand(a.lower(), b) is same
    assert same_brand(b, a.lower()) is same


def test_what_two_listings_state() -> None:
    one = made("sony dx-4100 camera black 16gb", brand="Sony")
    two = made("sony dx4100 camera white 16 gb 3 pcs", brand="Sony")
    assert state(one, two, "brand") == "agree"
    assert relation(one, two, "code") == "equal"
    assert state(one, two, "variant") == "conflict"
    assert state(one, two, "specification") == "agree"
    assert state(one, two, "quantity") == "one"
    assert state(made("tea"), made("green soap"), "quantity") == "silent"
