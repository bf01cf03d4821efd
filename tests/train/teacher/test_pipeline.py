"""The steps with replies that the test writes: what a record holds, what is asked again, what is set aside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from schemas.offer import Offer
from train.rationales.records import RationaleRecord
from train.rationales.verdicts import SentenceTarget
from train.teacher.config import TeacherConfig
from train.teacher.oracle import Unanswered
from train.teacher.pipeline import Failure, Teaching
from train.teacher.prompts import Messages, Step
from train.teacher.question import Question
from train.teacher.store import Reply, Usage

LEFT = Offer(offer_id="1", source="a", title="Canon EOS 7D body black 18MP")
RIGHT = Offer(offer_id="2", source="b", title="canon eos7d kit silver 18 megapixel")
QUESTION = Question.of("p", LEFT, RIGHT)
EMPTY: dict[str, list[str]] = {name: [] for name in ("brand", "product", "variant", "specification", "quantity")}
UNKNOWN = {"a": None, "b": None, "verdict": "unknown"}
COMPARED: dict[str, Any] = {
    "brand": {"a": "Canon", "b": "canon", "verdict": "same"},
    "product": {"a": "EOS 7D", "b": "eos7d", "verdict": "same"},
    "variant": {"a": "black", "b": "silver", "verdict": "different"},
    "specification": {"a": "18MP", "b": "18 megapixel", "verdict": "same"},
    "quantity": UNKNOWN,
}
DECIDED = {"reason": "Another colour.", "answer": "different", "confidence": 0.9}
EXPLAINED = {"attribute": "variant", "a": "body black", "b": "silver", "sentence": "Black is not silver."}


class Script:
    """Replies by step, in order; the last one of a step is repeated. Keeps what was asked."""

    def __init__(self, **replies: Sequence[Any]) -> None:
        good: dict[str, Sequence[Any]] = {
            "extract": [EMPTY], "compare": [COMPARED], "decide": [DECIDED], "explain": [EXPLAINED],
        }  # fmt: skip
        self.replies = {name: list(said) for name, said in {**good, **replies}.items()}
        self.finish = "stop"
        self.asked: list[tuple[str, Messages, bool]] = []

    async def __call__(self, step: Step, messages: Messages, repair: bool = False) -> Reply:
        self.asked.append((step.name, messages, repair))
        said = self.replies[step.name]
        text = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(text, Exception):
            raise text
        text = text if isinstance(text, str) else orjson.dumps(text).decode()
        return Reply(orjson.dumps(messages).decode(), text, self.finish, "m", "plain", Usage(10, 2), Decimal("0.5"))


def outcome(script: Script, **settings: Any) -> RationaleRecord | Failure:
    return asyncio.run(Teaching(QUESTION, script, TeacherConfig(**settings)).outcome())


def recorded(script: Script, **settings: Any) -> RationaleRecord:
    found = outcome(script, **settings)
    assert isinstance(found, RationaleRecord), found
    return found


def test_four_steps_make_a_record_with_its_provenance() -> None:
    script = Script()
    found = recorded(script)
    assert [step for step, _, _ in script.asked] == ["extract", "extract", "compare", "decide", "explain"]
    assert found.verdicts == {name: item["verdict"] for name, item in COMPARED.items()}
    assert found.quotes["product"] == ("EOS 7D", "eos7d")
    assert (found.answer, found.confidence, found.dropped) == ("different", 0.9, ())
    assert found.sentence == SentenceTarget("variant", "body black", "silver")
    assert found.explanation == "Another colour. Black is not silver."
    told = found.provenance
    assert (told.prompt_revealed_label, told.requests, told.prompt_tokens, told.cost) == (False, 5, 50, 2.5)


def test_a_reply_that_cannot_be_used_is_asked_for_again() -> None:
    script = Script(decide=["Sure! They differ.", DECIDED])
    assert recorded(script).answer == "different"
    _, messages, repair = script.asked[4]
    assert repair
    assert messages[-2] == {"role": "assistant", "content": "(no JSON object)"}
    assert "it holds no JSON object" in messages[-1]["content"]


def test_what_a_listing_talked_the_model_into_is_not_repeated_raw() -> None:
    script = Script(decide=[{**DECIDED, "answer": "<|im_end|>"}, DECIDED])
    recorded(script)
    assert "<|" not in str(script.asked[4][1])


def test_a_reply_that_stays_useless_is_a_failure_with_its_raw_text() -> None:
    found = outcome(Script(compare=["hm", "still not JSON"]))
    assert isinstance(found, Failure)
    assert (found.step, found.reason) == ("compare", "it holds no JSON object")
    assert found.replies == ("hm", "still not JSON")


def test_a_reply_that_was_cut_off_says_so() -> None:
    script = Script(decide=['{"reason": "Another col'])
    script.finish = "length"
    found = outcome(script)
    assert isinstance(found, Failure)
    assert found.reason == "its JSON object is broken or cut off (cut off at max_tokens)"


def test_a_verdict_on_a_made_up_quote_is_masked_after_the_repair() -> None:
    lie = {**COMPARED, "variant": {"a": "black", "b": "white", "verdict": "different"}}
    script = Script(compare=[lie])
    found = recorded(script)
    assert "variant" not in found.verdicts
    assert set(found.verdicts) == {"brand", "product", "specification", "quantity"}
    assert found.dropped == ("compare variant: the quote of b is not in the listing, word for word",)
    assert [repair for step, _, repair in script.asked if step == "compare"] == [False, True]
    decide = next(messages for step, messages, _ in script.asked if step == "decide")
    assert "white" not in str(decide)


def test_a_broken_repair_does_not_lose_the_reply_before_it() -> None:
    lie = {**COMPARED, "variant": {"a": "black", "b": "white", "verdict": "different"}}
    for second in ("not JSON", Unanswered("gone")):
        assert recorded(Script(compare=[lie, second])).verdicts["brand"] == "same"


def test_a_self_contradiction_is_asked_about_and_then_kept_for_the_door() -> None:
    script = Script(decide=[{**DECIDED, "answer": "same"}])
    found = recorded(script)
    assert found.contradicts_itself()
    assert found.dropped == ("decide: the answer is same although variant was found different",)
    assert not recorded(Script(decide=[{**DECIDED, "answer": "same"}, DECIDED])).contradicts_itself()


def test_extractions_go_on_without_what_the_listing_does_not_say() -> None:
    script = Script(extract=[{**EMPTY, "brand": ["Canon", "Leica"]}])
    found = recorded(script, repairs=0)
    assert found.dropped == ("extract A.brand.1", "extract B.brand.1")
    compare = next(messages for step, messages, _ in script.asked if step == "compare")
    assert "Leica" not in str(compare)


def test_an_explanation_that_quotes_nothing_true_makes_no_sentence() -> None:
    found = recorded(Script(explain=[{**EXPLAINED, "a": "green"}]))
    assert found.sentence is None
    assert found.dropped == ("explain: its quotes are not in the listings",)


def test_no_reply_is_a_failure_of_this_pair_alone() -> None:
    found = outcome(Script(decide=[Unanswered("503")]))
    assert isinstance(found, Failure)
    assert (found.step, found.reason, found.replies) == ("decide", "no reply: 503", ())
