from __future__ import annotations

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rationale import ATTRIBUTES, VERDICTS
from train.teacher.prompts import STEPS
from train.teacher.question import Listing
from train.teacher.replies import (
    Comparison,
    Comparisons,
    Decision,
    Explanation,
    Extraction,
    ReplyError,
    find_object,
    grounded_extraction,
    parse,
    unfounded,
    ungrounded_extraction,
)

LEFT = Listing((("title", "Canon EOS 7D body black"),))
RIGHT = Listing((("title", "canon eos7d kit silver"),))

quotes = st.text(min_size=1, max_size=120)
extractions = st.builds(Extraction, **{name: st.lists(quotes, max_size=4) for name in ATTRIBUTES})
comparison = st.builds(Comparison, a=st.none() | quotes, b=st.none() | quotes, verdict=st.sampled_from(VERDICTS))
comparisons = st.builds(Comparisons, **dict.fromkeys(ATTRIBUTES, comparison))
decisions = st.builds(
    Decision, reason=quotes, answer=st.sampled_from(["same", "different"]), confidence=st.floats(0, 1)
)
explanations = st.builds(Explanation, attribute=st.sampled_from(ATTRIBUTES), a=quotes, b=quotes, sentence=quotes)
forms = st.sampled_from([step.form for step in STEPS])
frames = st.sampled_from(["{}", "```json\n{}\n```", "```\n{}\n```", "Sure, here it is:\n{}", "<think>{{</think>\n{}"])


@given(extractions | comparisons | decisions | explanations, frames)
def test_a_reply_in_its_form_is_read_from_whatever_stands_around_it(reply: Extraction, frame: str) -> None:
    text = frame.replace("{{", "{ hm ").replace("{}", reply.model_dump_json(), 1)
    assert parse(type(reply), text) == reply


@given(forms, st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_read_or_refused_and_nothing_else(form: type[Extraction], text: str) -> None:
    found: object = None
    with contextlib.suppress(ReplyError):  # any other exception fails the test
        found = parse(form, text)
    assert found is None or isinstance(found, form)


@given(
    forms, st.dictionaries(st.sampled_from([*ATTRIBUTES, "answer", "zzSECRETzz"]), st.just("zzSECRETzz"), max_size=7)
)
def test_a_refusal_repeats_nothing_that_the_reply_said(form: type[Extraction], found: dict[str, str]) -> None:
    with pytest.raises(ReplyError) as caught:
        parse(form, orjson.dumps(found).decode())
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no JSON object"),
        ("They are the same.", "no JSON object"),
        ('{"reason": "cut', "broken or cut off"),
        ("[" * 100_000, "no JSON object"),
        ('{"a":' * 30_000, "broken or cut off"),
        ('{"reason": "r", "answer": "maybe", "confidence": 1}', "answer: Input should be 'same' or 'different'"),
        ('{"reason": "r", "answer": "same", "confidence": 2}', "confidence: Input should be less than or equal to 1"),
        ('{"reason": "r", "answer": "same", "confidence": NaN}', "broken or cut off"),
        ('{"reason": "r", "answer": "same", "confidence": 1, "label": 1}', "(other): Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_named(text: str, told: str) -> None:
    with pytest.raises(ReplyError) as caught:
        parse(Decision, text)
    assert told in str(caught.value)


def test_the_first_whole_object_counts() -> None:
    assert find_object('x {"a": "}"} {"b": 2}') == {"a": "}"}


def test_what_no_listing_says_is_found_out() -> None:
    found = Extraction(brand=["Canon", "Nikon"], product=["EOS 7D"], variant=[], specification=["18MP"], quantity=[])
    assert ungrounded_extraction(found, LEFT) == ["brand.1", "specification.0"]
    kept = grounded_extraction(found, LEFT)
    assert kept == {"brand": ["Canon"], "product": ["EOS 7D"], "variant": [], "specification": [], "quantity": []}


def test_a_verdict_needs_a_true_quote_of_both_sides() -> None:
    silent = Comparison(a=None, b="made up", verdict="unknown")
    found = Comparisons(
        brand=Comparison(a="Canon", b="canon", verdict="same"),
        product=Comparison(a="EOS 7D", b=None, verdict="same"),
        variant=Comparison(a="black", b="white", verdict="different"),
        specification=silent,
        quantity=silent,
    )
    problems = unfounded(found, LEFT, RIGHT)
    assert set(problems) == {"product", "variant"}
    assert problems["product"].startswith("verdict without a quote of b")
    assert problems["variant"].startswith("the quote of b is not in the listing")
