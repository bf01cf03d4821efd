"""One pair through the four steps: extract (each offer) → compare → decide → explain.

What comes out is a record, or a failure with every raw reply of the step that failed: nothing that was paid for is
lost, and no reply ends a run. Non-goals: where replies come from and what they cost (`train.teacher.oracle`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from schemas.grammar import MAX_QUOTE_CHARS, is_grounded
from schemas.rationale import ATTRIBUTES, Attribute, Verdict
from schemas.text import clean, cut
from train.rationales.records import Provenance, RationaleRecord
from train.rationales.verdicts import SentenceTarget
from train.teacher.config import TeacherConfig
from train.teacher.oracle import Unanswered
from train.teacher.prompts import (
    COMPARE,
    DECIDE,
    EXPLAIN,
    EXTRACT,
    PROMPT_VERSION,
    Messages,
    Step,
    ask_again,
    ask_compare,
    ask_decide,
    ask_explain,
    ask_extract,
)
from train.teacher.question import SHOWN, Listing, Question
from train.teacher.replies import (
    Comparisons,
    Decision,
    Explanation,
    Extraction,
    ReplyError,
    grounded_extraction,
    parse,
    unfounded,
    ungrounded_extraction,
)
from train.teacher.store import Reply

Form = TypeVar("Form", bound=BaseModel)


class Ask(Protocol):
    """Puts a prompt to the teacher (`Oracle.ask`)."""

    async def __call__(self, step: Step, messages: Messages, repair: bool = False) -> Reply:
        """The raw reply."""


class Failure(BaseModel):
    """A pair without a record: which step failed, why, and what the teacher said in it, raw."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    pair_id: str
    step: str
    reason: str
    replies: tuple[str, ...] = ()
    teacher: str
    prompt_version: str = PROMPT_VERSION


class _StepFailed(Exception):
    def __init__(self, step: str, reason: str, replies: tuple[str, ...]) -> None:
        super().__init__(reason)
        self.step = step
        self.replies = replies


@dataclass(frozen=True)
class _Read(Generic[Form]):
    """A reply in its form; ``doubts`` is what is still wrong with its content after the last repair."""

    found: Form
    doubts: bool


@dataclass
class _Spending:
    """What the replies of one pair cost when they were paid for, whoever paid."""

    replies: dict[str, Reply] = field(default_factory=dict)

    def provenance(self, config: TeacherConfig) -> Provenance:
        """The record's provenance; equal replies (two listings of one text) count once."""
        replies = list(self.replies.values())
        costs = [reply.cost for reply in replies]
        total = None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))
        return Provenance(
            teacher=config.model,
            prompt_version=PROMPT_VERSION,
            prompt_revealed_label=False,
            source=config.base_url,
            fields_shown=SHOWN,
            requests=len(replies),
            prompt_tokens=sum(reply.usage.prompt for reply in replies),
            completion_tokens=sum(reply.usage.completion for reply in replies),
            cost=None if total is None else float(total),
            currency=None if total is None else config.currency,
        )


class Teaching:
    """One pair on its way through the steps."""

    def __init__(self, question: Question, ask: Ask, config: TeacherConfig) -> None:
        self._question = question
        self._ask = ask
        self._config = config
        self._spending = _Spending()
        self._dropped: list[str] = []

    async def outcome(self) -> RationaleRecord | Failure:
        """The record of the pair, or why there is none. Raises what ends the run (`RunStopped`, `EndpointRefused`)."""
        try:
            return await self._record()
        except _StepFailed as failed:
            return Failure(
                pair_id=self._question.pair_id,
                step=failed.step,
                reason=str(failed),
                replies=failed.replies,
                teacher=self._config.model,
            )

    async def _record(self) -> RationaleRecord:
        question = self._question
        # One after the other: other pairs fill the slots, and a pair that fails at A does not pay for B.
        extracted = (await self._extract("A", question.left), await self._extract("B", question.right))
        compared = await self._compare(extracted)
        verdicts: dict[Attribute, Verdict] = {name: item["verdict"] for name, item in compared.items()}
        decision = await self._decide(compared, verdicts)
        explanation = await self._read(
            EXPLAIN, Explanation, ask_explain(question, compared, decision), self._doubt_explanation
        )
        if explanation.doubts:
            self._dropped.append("explain: its quotes are not in the listings")
        return RationaleRecord(
            pair_id=question.pair_id,
            left=question.refs[0],
            right=question.refs[1],
            verdicts=verdicts,
            quotes={name: (item["a"], item["b"]) for name, item in compared.items() if item["a"] and item["b"]},
            answer=decision.answer,
            confidence=decision.confidence,
            sentence=None if explanation.doubts else sentence_of(explanation.found, question),
            explanation=f"{decision.reason} {explanation.found.sentence}",
            dropped=tuple(self._dropped),
            provenance=self._spending.provenance(self._config),
        )

    async def _extract(self, side: str, listing: Listing) -> dict[str, list[str]]:
        read = await self._read(
            EXTRACT,
            Extraction,
            ask_extract(listing),
            lambda found: _not_verbatim(ungrounded_extraction(found, listing)),
        )
        if read.doubts:
            self._dropped += [f"extract {side}.{place}" for place in ungrounded_extraction(read.found, listing)]
        return grounded_extraction(read.found, listing)

    async def _compare(
        self, extracted: tuple[dict[str, list[str]], dict[str, list[str]]]
    ) -> dict[Attribute, dict[str, Any]]:
        """The comparisons that stand. What rests on no true quote is left out: masked, not ``unknown``."""
        left, right = self._question.left, self._question.right
        read = await self._read(
            COMPARE,
            Comparisons,
            ask_compare(self._question, extracted),
            lambda found: "; ".join(f"{name}: {why}" for name, why in unfounded(found, left, right).items()),
        )
        problems = unfounded(read.found, left, right)
        self._dropped += [f"compare {name}: {why}" for name, why in problems.items()]
        stands: dict[Attribute, dict[str, Any]] = {}
        for name in ATTRIBUTES:
            if name not in problems:
                item = read.found.of(name)
                # A quote beside an ``unknown`` may be made up; it claims nothing, and goes no further.
                a = item.a if item.a is not None and left.states(item.a) else None
                b = item.b if item.b is not None and right.states(item.b) else None
                stands[name] = {"a": a, "b": b, "verdict": item.verdict}
        return stands

    async def _decide(self, compared: dict[Attribute, dict[str, Any]], verdicts: dict[Attribute, Verdict]) -> Decision:
        different = [name for name, verdict in verdicts.items() if verdict == "different"]

        def doubt(found: Decision) -> str:
            if found.answer == "same" and different:
                return f"the answer is same although {', '.join(different)} was found different"
            return ""

        read = await self._read(DECIDE, Decision, ask_decide(self._question, compared), doubt)
        if read.doubts:
            # Kept as it is: who admits the record sets it aside, with its count (`train.rationales.door`).
            self._dropped.append(f"decide: {doubt(read.found)}")
        return read.found

    def _doubt_explanation(self, found: Explanation) -> str:
        sides = (("a", found.a, self._question.left), ("b", found.b, self._question.right))
        return _not_verbatim([side for side, quote, listing in sides if not listing.states(quote)])

    async def _read(
        self, step: Step, form: type[Form], messages: Messages, doubt: Callable[[Form], str]
    ) -> _Read[Form]:
        """Ask, read, and ask again while the reply has not its form or its content is in doubt.

        Doubt alone never fails a step: the last reply that had the form is taken, with its doubts.
        """
        replies: list[str] = []
        usable: Form | None = None
        problem = ""
        for turn in range(self._config.repairs + 1):
            try:
                reply = await self._ask(step, messages, repair=turn > 0)
            except Unanswered as error:
                if usable is not None:
                    break
                raise _StepFailed(step.name, f"no reply: {error}", tuple(replies)) from error
            self._spending.replies[reply.key] = reply
            replies.append(reply.text)
            try:
                found = parse(form, reply.text)
                problem = doubt(found)
            except ReplyError as error:
                problem = f"{error} (cut off at max_tokens)" if reply.finish_reason == "length" else str(error)
            else:
                usable = found
                if not problem:
                    return _Read(found, doubts=False)
            messages = ask_again(messages, reply.text, problem)
        if usable is not None:
            return _Read(usable, doubts=True)
        raise _StepFailed(step.name, problem, tuple(replies))


def _not_verbatim(places: list[str]) -> str:
    return f"not in the listing, letter for letter: {', '.join(places)}" if places else ""


def sentence_of(found: Explanation, question: Question) -> SentenceTarget | None:
    """The quotes as the student's grammar admits them, or None where it does not.

    A teacher may quote fields that the student's sentence cannot (the description); the verdicts stand all the same.
    """
    quotes = (cut(clean(found.a), MAX_QUOTE_CHARS), cut(clean(found.b), MAX_QUOTE_CHARS))
    if not all(is_grounded(text, quote) for text, quote in zip(question.quotable, quotes, strict=True)):
        return None
    return SentenceTarget(found.attribute, *quotes)
