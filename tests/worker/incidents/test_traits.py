from __future__ import annotations

import pytest

from tests.worker.audit.making import judged, offer
from worker.incidents.traits import content_traits, traits


@pytest.mark.parametrize(
    ("left", "right", "trait"),
    [
        ("aa battery 6 pack", "aa battery pack of 6", ("pack sizes", "agree")),
        ("aa battery 6 pack", "aa battery pack of 4", ("pack sizes", "differ")),
        ("aa battery 6 pack", "aa battery", ("pack sizes", "stated by one")),
        ("camera black", "camera noir", ("colours", "agree")),
        ("camera black", "camera red", ("colours", "differ")),
        ("disk 512gb", "disk 256gb", ("measures", "differ")),
        ("camera dsc-w120", "camera dscw120", ("codes", "agree")),
        ("camera", "lens", ("codes", "stated by one")),
    ],
)
def test_what_two_listings_state(left: str, right: str, trait: tuple[str, str]) -> None:
    found = content_traits(offer(1, "a", left), offer(2, "b", right))
    if trait[0] == "codes" and trait[1] == "stated by one":
        assert ("codes", "not stated") in found
    else:
        assert trait in found


def test_prices_need_one_currency() -> None:
    def prices(a: str, b: str, other: str = "EUR") -> str:
        pair = offer(1, "a", price=a, currency="EUR"), offer(2, "b", price=b, currency=other)
        return next(value for name, value in content_traits(*pair) if name == "prices")

    assert [prices("100", "105"), prices("100", "140"), prices("100", "200")] == ["near", "apart", "far apart"]
    assert prices("100", "100", "USD") == prices("0", "5") == "cannot be compared"


def test_what_the_decision_alone_says() -> None:
    a, b = offer(1, "shop"), offer(2, "base")
    found = traits(judged(a, b), None, None)
    assert {
        ("verdict", "match"), ("decided by", "student"), ("sources", "base and shop"), ("a seller", "shop"),
        ("a seller", "base"), ("quantity", "same"), ("probability", "0.9 to 0.97"), ("candidate", "blocking's first"),
        ("bundle", "tiny 1.0.0 (d)"), ("contents", "not kept"),
    } <= found  # fmt: skip
    assert ("quotes", "a bare number") in traits(judged(a, b), a, b)
    packed = offer(3, "shop", "aa battery 6 pack")
    assert ("quotes", "a pack size") in traits(judged(packed, b), packed, b)


def test_every_trait_is_named_once_unless_it_may_be_said_of_each_side() -> None:
    a, b = offer(1, "shop", category="x"), offer(2, "base", category="y")
    names = [name for name, _ in traits(judged(a, b), a, b)]
    many = {"a seller", "a category", "reason", "quotes"}
    assert len([name for name in names if name not in many]) == len({name for name in names if name not in many})
