from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas.rationale import ANSWERS, ATTRIBUTES, VERDICTS, Answer, AttributeVerdict, Rationale, Verdict


def verdict(name: Verdict) -> AttributeVerdict:
    shares = {f"p_{other}": 0.8 if other == name else 0.1 for other in VERDICTS}
    return AttributeVerdict.model_validate({"verdict": name, "probability": 0.8, **shares})


def rationale(answer: Answer, **verdicts: Verdict) -> Rationale:
    return Rationale.model_validate(
        {"answer": answer, "attributes": {name: verdict(given) for name, given in verdicts.items()}}
    )


def test_the_words_of_the_design() -> None:
    assert ATTRIBUTES == ("brand", "product", "variant", "specification", "quantity")
    assert VERDICTS == ("same", "different", "unknown")
    assert ANSWERS == ("same", "different")


def test_a_match_with_a_difference_contradicts_itself() -> None:
    found = rationale("same", quantity="different", brand="same", variant="different", product="unknown")
    assert found.contradictions() == ("variant", "quantity")


def test_a_non_match_never_contradicts_itself() -> None:
    assert rationale("different", brand="same", product="same").contradictions() == ()
    assert rationale("same", brand="same", product="unknown").contradictions() == ()


def test_unknown_attributes_verdicts_and_answers_are_refused() -> None:
    with pytest.raises(ValidationError):
        Rationale.model_validate({"answer": "same", "attributes": {"colour": verdict("same")}})
    with pytest.raises(ValidationError):
        Rationale.model_validate({"answer": "maybe", "attributes": {}})
    with pytest.raises(ValidationError):
        AttributeVerdict.model_validate({**verdict("same").model_dump(), "verdict": "match"})
    with pytest.raises(ValidationError):
        AttributeVerdict.model_validate({**verdict("same").model_dump(), "p_same": 1.2})


def test_unknown_fields_stay() -> None:
    found = Rationale.model_validate({"answer": "same", "attributes": {}, "teacher": "x"})
    assert found.model_dump()["teacher"] == "x"
    assert Rationale.model_validate_json(found.model_dump_json()) == found
