from __future__ import annotations

import hashlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.deployment import Deployment, in_share, owner
from tests.deployments import A, B, deployment

SHARES = st.floats(0, 1, allow_nan=False)


def place(pair: str) -> Fraction:
    """Where a pair lies between 0 and 1, computed another way: the first 16 hex digits as a fraction."""
    return Fraction(int(hashlib.sha256(pair.encode()).hexdigest()[:16], 16), 16**16)


@given(st.text(), SHARES)
def test_a_pair_is_in_the_share_if_its_place_lies_below(pair: str, share: float) -> None:
    pair = pair.encode("utf-8", "ignore").decode()
    assert in_share(pair, share) == (place(pair) < Fraction(share))


@given(st.text(st.characters(codec="utf-8")), SHARES, SHARES)
def test_shares_are_nested(pair: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert in_share(pair, large) or not in_share(pair, small)


@given(st.text(st.characters(codec="utf-8")))
def test_nothing_is_in_0_and_everything_in_1(pair: str) -> None:
    assert not in_share(pair, 0.0)
    assert in_share(pair, 1.0)


def test_a_share_holds_about_its_part_of_the_pairs() -> None:
    held = sum(in_share(f"north:{number}#south:{number}", 0.1) for number in range(20_000))
    # Four standard deviations of a binomial with p = 0.1.
    assert abs(held - 2_000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5


@given(st.text(st.characters(codec="utf-8")), st.floats(0.001, 1))
def test_every_pair_has_one_owner(pair: str, share: float) -> None:
    canary = deployment("canary", A, 1, candidate=B, mode="canary", share=share)
    assert owner(pair, canary) == (B if in_share(pair, share) else A)
    for other in (
        deployment("shadow", A, 1, candidate=B, mode="shadow"), deployment("stop", A, 1, candidate=B),
    ):  # fmt: skip
        assert owner(pair, other) == A


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"mode": "shadow"}, "needs a candidate"),
        ({"mode": "canary", "share": 0.1}, "needs a candidate"),
        ({"mode": "shadow", "candidate": A}, "the candidate is the live bundle"),
        ({"mode": "canary", "candidate": B}, "a canary, and nothing else"),
        ({"mode": "shadow", "candidate": B, "share": 0.1}, "a canary, and nothing else"),
        ({"share": 0.1}, "a canary, and nothing else"),
        ({"mode": "canary", "candidate": B, "share": 1.5}, "less than or equal to 1"),
    ],
)
def test_a_deployment_that_makes_no_sense_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        deployment("canary", A, 0, **fields)


def test_which_bundles_a_deployment_needs() -> None:
    stopped: Deployment = deployment("stop", A, 1, candidate=B)
    assert set(stopped.bundles()) == {A.digest}
    tried = deployment("shadow", A, 1, candidate=B, mode="shadow")
    assert tried.bundles() == {A.digest: A, B.digest: B}
