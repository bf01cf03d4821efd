from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from train.teacher.config import Price
from train.teacher.costs import Tally, cost_of, most_prompt_tokens
from train.teacher.store import Reply, Usage

PRICE = Price(input=Decimal("0.15"), output=Decimal("0.60"), cached_input=Decimal("0.075"))


def test_money_is_exact() -> None:
    assert cost_of(Usage(prompt=1_000_000, completion=0), PRICE) == Decimal("0.15")
    assert cost_of(Usage(prompt=3, completion=1, cached=2), PRICE) == Decimal("0.0000009")
    plain = Price(input=Decimal(1), output=Decimal(0))
    assert cost_of(Usage(prompt=10, completion=5, cached=10), plain) == Decimal("0.00001")
    assert cost_of(Usage(1, 1), None) is None


@settings(max_examples=40)
@given(st.text(max_size=200))
def test_no_prompt_has_more_tokens_than_the_bound(tokenizer: Any, text: str) -> None:
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": text}]
    found = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True)
    assert len(found) <= most_prompt_tokens(messages, {})


def test_only_what_was_paid_for_costs() -> None:
    tally = Tally()
    reply = Reply("k", "t", "stop", "m", "plain", Usage(10, 5), Decimal("0.25"), fresh=True)
    tally.count("extract", reply)
    tally.count("extract", Reply("k", "t", "stop", "m", "plain", Usage(10, 5), Decimal("0.25")))
    tally.count("decide", reply, repair=True)
    total = tally.total()
    assert (total.paid, total.kept, total.repairs) == (2, 1, 1)
    assert (total.prompt_tokens, total.completion_tokens, total.cost) == (20, 10, Decimal("0.5"))
