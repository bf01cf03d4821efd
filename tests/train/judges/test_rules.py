"""Rules of a rationale's form."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES, Answer, AttributeVerdict, Rationale, Verdict
from train.judges.claims import Claim, claims_of, slot_claims
from train.judges.rules import broken, broken_quotes, is_consistent

LEFT = Offer(offer_id="1", source="a", title="sony dx-4100 camera black 16gb with a very long strap")
RIGHT = Offer(offer_id="2", source="b", title="sony dx-4101 camera white 32gb")
CLAIM = Claim(LEFT, RIGHT, "variant", "different", "black", "white")


@pytest.mark.parametrize(
    ("left", "right", "wrong"),
    [
        ("black", "white", ()),
        ("", "", ()),
        ("white", "black", ("wrong side",)),
        ("purple", "white", ("ungrounded",)),
        ("blac", "white", ("ungrounded",)),
        ("black", "", ("one-sided quote",)),
        ("sony dx-4100 camera black 16gb with a", "white", ("copied",)),
    ],
)
def test_quotes(left: str, right: str, wrong: tuple[str, ...]) -> None:
    claim = replace(CLAIM, quote_left=left, quote_right=right)
    assert broken_quotes(claim) == wrong
    assert set(broken_quotes(claim.swapped())) == set(wrong)


@pytest.mark.parametrize(
    ("verdicts", "answer", "fine"),
    [("sssss", "same", True), ("ssdss", "same", False), ("ssdss", "different", True), ("sssss", "different", False),
     ("susss", "different", True), ("uuuuu", "same", True)],
)  # fmt: skip
def test_verdicts_and_answer(verdicts: str, answer: str, fine: bool) -> None:
    names = {name[0]: name for name in get_args(Verdict)}
    said = {name: names[letter] for name, letter in zip(ATTRIBUTES, verdicts, strict=True)}
    kind: Answer = "same" if answer == "same" else "different"
    assert is_consistent(said, kind) is fine
    items = {
        n: AttributeVerdict(verdict=v, probability=1, p_same=1, p_different=0, p_unknown=0) for n, v in said.items()
    }
    rationale = Rationale(attributes=items, answer=kind)
    assert ("inconsistent" in broken(rationale)) is not fine
    assert [claim.verdict for claim in claims_of(rationale, LEFT, RIGHT)] == list(said.values())


def test_a_sentence_is_short() -> None:
    assert broken(Rationale(attributes={}, answer="same", sentence="x" * 300)) == ("too long",)


def test_fifteen_slot_claims_without_the_answer() -> None:
    claims = slot_claims(LEFT, RIGHT)
    assert len({claim.key() for claim in claims}) == 15
    assert claims[0].key() != claims[0].swapped().key()
    # Ids are not looked at.
    assert replace(claims[0], left=LEFT.model_copy(update={"offer_id": "9"})).key() == claims[0].key()
