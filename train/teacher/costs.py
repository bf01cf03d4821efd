"""Tokens and money: what a reply cost, what a request can cost at most, and what a run has come to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from train.teacher.config import Price
from train.teacher.store import Reply, Usage

MILLION = Decimal(1_000_000)
# Role names, separators and the turn's opening, generously; no chat template known to us takes more.
TOKENS_PER_MESSAGE = 32
# English and JSON come to three or four bytes a token; for the rate limit an estimate is enough.
BYTES_PER_TOKEN = 3


def cost_of(usage: Usage, price: Price | None) -> Decimal | None:
    """What a reply cost; None where no price is known."""
    if price is None:
        return None
    cached_price = price.input if price.cached_input is None else price.cached_input
    fresh = max(usage.prompt - usage.cached, 0)
    return (fresh * price.input + usage.cached * cached_price + usage.completion * price.output) / MILLION


def most_prompt_tokens(messages: Sequence[Mapping[str, str]], schema: Any) -> int:
    """An upper bound of a request's prompt tokens: every token of a byte-level vocabulary is at least one byte."""
    text = sum(len(message["content"].encode()) + TOKENS_PER_MESSAGE for message in messages)
    return text + len(orjson.dumps(schema))


def ceiling_of(messages: Sequence[Mapping[str, str]], schema: Any, max_tokens: int, price: Price | None) -> Decimal:
    """What a request can cost at most; 0 where no price is known."""
    return cost_of(Usage(most_prompt_tokens(messages, schema), max_tokens), price) or Decimal(0)


def likely_tokens(messages: Sequence[Mapping[str, str]], max_tokens: int) -> float:
    """Tokens that a request will likely come to, for the rate limit."""
    return sum(len(message["content"].encode()) for message in messages) / BYTES_PER_TOKEN + max_tokens


@dataclass
class StepTally:
    """One step of a run: ``paid`` requests were sent in it, ``kept`` replies came from the store."""

    paid: int = 0
    kept: int = 0
    repairs: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = Decimal(0)


@dataclass
class Tally:
    """What a run has come to, by step. Tokens and cost are of what it paid itself."""

    steps: dict[str, StepTally] = field(default_factory=dict)
    unpriced: int = 0
    estimated: int = 0

    def count(self, step: str, reply: Reply, repair: bool = False) -> None:
        """One reply more."""
        entry = self.steps.setdefault(step, StepTally())
        entry.repairs += repair
        if not reply.fresh:
            entry.kept += 1
            return
        entry.paid += 1
        entry.prompt_tokens += reply.usage.prompt
        entry.completion_tokens += reply.usage.completion
        entry.cost += reply.cost or 0
        self.unpriced += reply.cost is None
        self.estimated += reply.usage.estimated

    def total(self) -> StepTally:
        """All steps together."""
        sums = StepTally()
        for entry in self.steps.values():
            for name in vars(sums):
                setattr(sums, name, getattr(sums, name) + getattr(entry, name))
        return sums
